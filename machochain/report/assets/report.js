"use strict";
// Zoom, filter and details for the picture. Without this script the page is complete; nothing here fetches anything.
(() => {
  const remember = (id) => {
    // A frame without an address keeps none.
    try { history.replaceState(null, "", "#" + id); } catch { /* it works as well */ }
  };
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
  // With folders there are too many files to be looked at together: what is chosen is drawn anew, alone.
  const overview = document.querySelector("#overview svg");
  const programs = document.getElementById("program");
  const drawer = document.getElementById("files");
  const focus = document.getElementById("focus");
  let width = Number(svg.getAttribute("width"));
  let height = Number(svg.getAttribute("height"));
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
  // A small picture of some of the files: columns by the longest way, rows in the order of the large one.
  const whole = { box: svg.getAttribute("viewBox"), width, height };
  const homes = new Map(nodes.map((node) => [node, node.getAttribute("transform")]));
  const paths = new Map(edges.map((edge) => [edge, edge.getAttribute("d")]));
  const spot = (node) => homes.get(node).match(/-?[\d.]+/g).map(Number);
  const ROW = 34, BOX = 26, GAP = 72, MARGIN = 10, LETTER = 7.3;
  const full = new Map(nodes.map((node) => [node, node.querySelector("rect").getAttribute("width")]));

  function stretch(node, to) {
    node.querySelector("rect").setAttribute("width", to);
    const dot = node.querySelector(".dot");
    if (dot) dot.setAttribute("cx", to - 10);
  }
  const needed = (node) => 22 + LETTER * node.querySelector("text").textContent.length + (node.querySelector(".dot") ? 10 : 0);

  function resize(box, toWidth, toHeight) {
    svg.setAttribute("viewBox", box);
    width = toWidth;
    height = toHeight;
    scale = 1;
    svg.setAttribute("width", width);
    svg.setAttribute("height", height);
    canvas.scrollLeft = canvas.scrollTop = 0;
  }
  function restore() {
    for (const node of nodes) {
      node.setAttribute("transform", homes.get(node));
      stretch(node, full.get(node));
    }
    for (const edge of edges) edge.setAttribute("d", paths.get(edge));
    for (const part of [...nodes, ...edges]) part.classList.remove("away", "bare");
    svg.classList.remove("alone");
    resize(whole.box, whole.width, whole.height);
    focus.replaceChildren();
  }
  function arrange(ids, words) {
    const shown = nodes.filter((node) => ids.has(node.dataset.id)).sort((a, b) => spot(a)[0] - spot(b)[0]);
    const kept = edges.filter((edge) => ids.has(edge.dataset.from) && ids.has(edge.dataset.to));
    const into = new Map(shown.map((node) => [node.dataset.id, []]));
    for (const edge of kept) into.get(edge.dataset.to).push(edge.dataset.from);
    const layer = new Map();
    for (const node of shown) {
      const before = into.get(node.dataset.id).filter((id) => layer.has(id)).map((id) => layer.get(id) + 1);
      layer.set(node.dataset.id, Math.max(0, ...before));
    }
    const columns = [];
    for (const node of shown) (columns[layer.get(node.dataset.id)] ||= []).push(node);
    const tallest = Math.max(...columns.map((column) => column.length)) * ROW;
    const place = new Map();
    let x = 0;
    for (const column of columns) {
      column.sort((a, b) => spot(a)[1] - spot(b)[1]);
      const top = tallest > 900 ? 0 : (tallest - column.length * ROW) / 2;
      const widest = Math.max(...column.map(needed));
      column.forEach((node, row) => {
        const at = { x, y: top + row * ROW, width: widest };
        stretch(node, widest);
        place.set(node.dataset.id, at);
        node.setAttribute("transform", `translate(${at.x} ${at.y})`);
      });
      x += widest + GAP;
    }
    const next = new Map();
    for (const edge of kept) {
      if (edge.classList.contains("implied")) continue;
      if (!next.has(edge.dataset.from)) next.set(edge.dataset.from, []);
      next.get(edge.dataset.from).push(edge.dataset.to);
    }
    function leads(from, to) {
      const seen = new Set(next.get(from) || []);
      for (const id of seen) for (const more of next.get(id) || []) seen.add(more);
      return seen.has(to);
    }
    for (const edge of edges) {
      const a = place.get(edge.dataset.from), b = place.get(edge.dataset.to);
      edge.classList.toggle("away", !a || !b);
      edge.classList.remove("bare");
      if (!a || !b) continue;
      // What implied it may not be in this picture.
      if (edge.classList.contains("implied")) edge.classList.toggle("bare", !leads(edge.dataset.from, edge.dataset.to));
      const [x1, y1, x2, y2] = [a.x + a.width, a.y + BOX / 2, b.x - 1, b.y + BOX / 2];
      const bend = Math.max(30, Math.abs(x2 - x1) / 2);
      edge.setAttribute("d", `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`);
    }
    for (const node of nodes) node.classList.toggle("away", !place.has(node.dataset.id));
    svg.classList.add("alone");
    const [w, h] = [Math.max(1, x - GAP) + 2 * MARGIN, tallest + 2 * MARGIN];
    resize(`${-MARGIN} ${-MARGIN} ${w} ${h}`, w, h);
    const back = document.createElement("button");
    back.type = "button";
    back.textContent = "show all files";
    back.addEventListener("click", () => show("files"));
    focus.replaceChildren(`${words} `, back);
    drawer.open = true;
    if (width > canvas.clientWidth) zoom(Math.max(0.6, (canvas.clientWidth - 30) / width), 0, 0);
  }
  const label = (id) => byId.get(id).querySelector("text").textContent;
  const USERS = 40;
  function alone(id) {
    const ids = walk(id, "from", "to");
    const below = ids.size - 1;
    const users = edges.filter((edge) => edge.dataset.to === id).map((edge) => edge.dataset.from);
    users.slice(0, USERS).forEach((user) => ids.add(user));
    const more = users.length > USERS ? `, of which ${USERS} are shown` : "";
    arrange(ids, `${label(id)}: loads ${below} of these files, is loaded by ${users.length}${more}.`);
  }
  function folder(id) {
    const own = nodes.filter((node) => node.dataset.folder === id).map((node) => node.dataset.id);
    const ids = new Set(own);
    for (const edge of edges) if (own.includes(edge.dataset.from)) ids.add(edge.dataset.to);
    const name = overview.querySelector(`[data-id="${id}"]`).dataset.name;
    arrange(ids, `${name}: ${own.length} files, and ${ids.size - own.length} elsewhere that they load.`);
  }

  function choose(id) {
    const node = byId.get(id);
    for (const other of [...nodes, ...edges]) other.classList.remove("near", "chosen");
    svg.classList.toggle("focused", Boolean(node));
    chosen.replaceChildren();
    if (!node) return;
    if (overview) alone(id);
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
    close.addEventListener("click", () => show(overview ? "files" : "graph"));
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
    if (node && !moved) remember(node.dataset.id);
    if (!node && moved) return;
    event.preventDefault();
    choose(node && !moved ? node.dataset.id : "");
  });
  chosen.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (link && byId.has(link.hash.slice(1))) {
      event.preventDefault();
      remember(link.hash.slice(1));
      choose(link.hash.slice(1));
    }
  });
  function open(id) {
    for (let box = document.getElementById(id); box; box = box.parentElement) if (box.tagName === "DETAILS") box.open = true;
  }
  // After the browser has gone to the element of that name by itself.
  const bring = (part) => requestAnimationFrame(() => part.scrollIntoView());
  // #q=NAME filters, #image-N chooses, #folder-N shows what lies in it: links to a view can be passed on.
  function follow(wanted) {
    let hash = wanted;
    try { hash = decodeURIComponent(hash); } catch { return; }
    if (hash.startsWith("q=")) {
      search.value = hash.slice(2);
      filter(search.value);
    } else if (byId.has(hash)) {
      choose(hash);
      bring(overview ? drawer : document.getElementById("graph"));
    } else if (overview && /^folder-\d+$/.test(hash)) {
      choose("");
      folder(hash);
      bring(drawer);
    } else {
      choose("");
      if (overview && hash === "files") restore();
      if (hash) open(hash);
    }
  }
  function show(hash) {
    remember(hash);
    follow(hash);
  }
  if (overview) {
    programs.addEventListener("change", () => show(programs.value || "files"));
    overview.addEventListener("click", (event) => {
      const box = event.target.closest(".node");
      if (!box) return;
      event.preventDefault();
      show(box.dataset.id);
    });
  }
  window.addEventListener("hashchange", () => follow(location.hash.slice(1)));
  // In a notebook the page is in a frame without an address of its own: its links would lead out of it.
  if (window.parent !== window) {
    document.addEventListener("click", (event) => {
      const link = event.target.closest("a[href^='#']");
      if (!link || event.defaultPrevented) return;
      event.preventDefault();
      const id = link.getAttribute("href").slice(1);
      show(id);
      const part = byId.has(id) ? null : document.getElementById(id);
      if (part) bring(part);
    });
  }
  function settle() {
    const narrow = width > canvas.clientWidth * 1.02 && !svg.classList.contains("alone");
    if (narrow) zoom(Math.max(0.6, (canvas.clientWidth - 30) / width), 0, 0);
  }
  // What is closed has no width yet.
  if (canvas.clientWidth) settle();
  else {
    new ResizeObserver((_, observer) => {
      if (!canvas.clientWidth) return;
      observer.disconnect();
      settle();
    }).observe(canvas);
  }
  follow(location.hash.slice(1));
})();
