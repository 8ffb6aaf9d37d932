"use strict";
// Zoom, filter and details for the picture. Without this script the page is complete; nothing here fetches anything.
(() => {
  const canvas = document.getElementById("canvas");
  const svg = canvas && canvas.querySelector("svg");
  if (!svg) return;
  document.body.classList.add("with-script");
  const search = document.getElementById("filter");
  const tally = document.getElementById("tally");
  const chosen = document.getElementById("chosen");
  const all = document.getElementById("all-loads") || { checked: false };
  const nodes = [...svg.querySelectorAll(".node")];
  const edges = [...svg.querySelectorAll(".edge")];
  const byId = new Map(nodes.map((node) => [node.dataset.id, node]));
  const width = Number(svg.getAttribute("width"));
  const height = Number(svg.getAttribute("height"));
  let scale = 1;

  function zoom(to, atX, atY) {
    const next = Math.min(4, Math.max(0.05, to));
    const x = (canvas.scrollLeft + atX) / scale;
    const y = (canvas.scrollTop + atY) / scale;
    scale = next;
    svg.setAttribute("width", width * scale);
    svg.setAttribute("height", height * scale);
    canvas.scrollLeft = x * scale - atX;
    canvas.scrollTop = y * scale - atY;
  }
  const centred = (factor) => zoom(scale * factor, canvas.clientWidth / 2, canvas.clientHeight / 2);
  const fit = () => zoom(Math.min(1, (canvas.clientWidth - 30) / width, (canvas.clientHeight - 30) / height), 0, 0);

  document.getElementById("zoom-in").addEventListener("click", () => centred(1.25));
  document.getElementById("zoom-out").addEventListener("click", () => centred(0.8));
  document.getElementById("zoom-fit").addEventListener("click", fit);
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    zoom(scale * Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });

  let drag = null;
  let moved = false;
  canvas.addEventListener("pointerdown", (event) => {
    moved = false;
    if (event.pointerType === "mouse" && event.button === 0) {
      drag = { x: event.clientX, y: event.clientY, left: canvas.scrollLeft, top: canvas.scrollTop };
    }
  });
  window.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const dx = event.clientX - drag.x;
    const dy = event.clientY - drag.y;
    if (Math.abs(dx) + Math.abs(dy) < 5) return;
    moved = true;
    canvas.classList.add("dragged");
    canvas.scrollLeft = drag.left - dx;
    canvas.scrollTop = drag.top - dy;
  });
  window.addEventListener("pointerup", () => {
    drag = null;
    canvas.classList.remove("dragged");
  });
  canvas.addEventListener("dragstart", (event) => event.preventDefault());

  function filter(text) {
    const wanted = text.trim().toLowerCase();
    let hits = 0;
    for (const node of nodes) {
      const hit = wanted !== "" && node.dataset.name.toLowerCase().includes(wanted);
      node.classList.toggle("hit", hit);
      hits += hit;
    }
    svg.classList.toggle("filtered", wanted !== "");
    tally.textContent = wanted === "" ? "" : `${hits} of ${nodes.length}`;
    const first = nodes.find((node) => node.classList.contains("hit"));
    if (first) reveal(first);
  }
  function reveal(node) {
    const box = node.getBoundingClientRect();
    const frame = canvas.getBoundingClientRect();
    if (box.left < frame.left || box.right > frame.right || box.top < frame.top || box.bottom > frame.bottom) {
      canvas.scrollLeft += box.left - frame.left - frame.width / 3;
      canvas.scrollTop += box.top - frame.top - frame.height / 3;
    }
  }

  function walk(start, from, to) {
    const seen = new Set([start]);
    for (const id of seen) {
      for (const edge of edges) if (edge.dataset[from] === id) seen.add(edge.dataset[to]);
    }
    return seen;
  }
  function choose(id) {
    const node = byId.get(id);
    for (const other of [...nodes, ...edges]) other.classList.remove("near", "chosen");
    svg.classList.toggle("focused", Boolean(node));
    chosen.replaceChildren();
    if (!node) return;
    node.classList.add("chosen");
    const below = walk(id, "from", "to");
    const above = walk(id, "to", "from");
    for (const near of [...below, ...above]) byId.get(near).classList.add("near");
    for (const edge of edges) {
      const { from, to } = edge.dataset;
      const between = (below.has(from) && below.has(to)) || (above.has(from) && above.has(to));
      edge.classList.toggle("near", between && (!edge.classList.contains("implied") || all.checked));
    }
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "close";
    close.addEventListener("click", () => { location.hash = "graph"; });
    const title = document.createElement("h3");
    title.textContent = node.dataset.name;
    chosen.append(close, title);
    const source = document.getElementById(id);
    if (source) {
      for (const part of source.children) if (part.tagName !== "SUMMARY") chosen.append(part.cloneNode(true));
    } else {
      chosen.append(node.querySelector("title").textContent);
    }
    reveal(node);
  }

  search.addEventListener("input", () => filter(search.value));
  svg.addEventListener("click", (event) => {
    const node = event.target.closest(".node");
    if (node && !moved) history.replaceState(null, "", "#" + node.dataset.id);
    if (!node && moved) return;
    event.preventDefault();
    choose(node && !moved ? node.dataset.id : "");
  });
  chosen.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (link && byId.has(link.hash.slice(1))) {
      event.preventDefault();
      history.replaceState(null, "", link.hash);
      choose(link.hash.slice(1));
    }
  });
  function open(id) {
    for (let box = document.getElementById(id); box; box = box.parentElement) if (box.tagName === "DETAILS") box.open = true;
  }
  // #q=NAME filters, #image-N chooses: links to a view can be passed on.
  function follow() {
    let hash = location.hash.slice(1);
    try { hash = decodeURIComponent(hash); } catch { return; }
    if (hash.startsWith("q=")) {
      search.value = hash.slice(2);
      filter(search.value);
    } else if (byId.has(hash)) {
      choose(hash);
      document.getElementById("graph").scrollIntoView();
    } else {
      choose("");
      if (hash) open(hash);
    }
  }
  window.addEventListener("hashchange", follow);
  if (width > canvas.clientWidth * 1.02) zoom(Math.max(0.6, (canvas.clientWidth - 30) / width), 0, 0);
  follow();
})();
