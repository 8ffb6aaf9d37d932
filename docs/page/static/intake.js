// @ts-check
/** What people drop, choose or paste, as files with the paths they had in their folder. */

/** @typedef {import("./engine.js").Dropped} Dropped */

export const MOST_FILES = 20000;
export const MOST_BYTES = 4 * 1024 ** 3;

export class Refusal extends Error {}

/** @param {number} bytes */
export function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) {
    bytes /= 1000;
    unit += 1;
  }
  return `${unit ? bytes.toFixed(bytes < 10 ? 1 : 0) : bytes} ${units[unit]}`;
}

/**
 * Give files of one name names of their own, and refuse what is too much.
 * @param {Dropped[]} files
 */
export function taken(files) {
  if (!files.length) throw new Refusal("That held no file.");
  if (files.length > MOST_FILES) throw new Refusal(`More than ${MOST_FILES} files: pack them as a zip.`);
  const bytes = files.reduce((sum, each) => sum + each.file.size, 0);
  if (bytes > MOST_BYTES) {
    throw new Refusal(`${size(bytes)} is more than a browser can look through (${size(MOST_BYTES)}). The command line can.`);
  }
  const seen = new Set();
  return files.map(({ path, file }) => {
    let name = path;
    for (let number = 2; seen.has(name); number += 1) name = path.replace(/(\.[^./]*)?$/, ` (${number})$1`);
    seen.add(name);
    return { path: name, file };
  });
}

/**
 * Files chosen by a file field; those of a folder know their paths in it.
 * @param {Iterable<File>} list
 * @returns {Dropped[]}
 */
export function chosen(list) {
  return [...list].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/**
 * Files and folders of a drop. Has to be called while the event is handled: what it holds is gone afterwards.
 * @param {DataTransfer} transfer
 * @returns {Promise<Dropped[]>}
 */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry != null);
  if (!entries.length) return chosen(transfer.files);
  /** @type {Dropped[]} */
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

/**
 * @param {FileSystemEntry} entry
 * @param {Dropped[]} found
 */
async function walk(entry, found) {
  if (found.length > MOST_FILES) return;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject));
    found.push({ path: entry.fullPath.replace(/^\//, ""), file });
    return;
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const each of some) await walk(each, found);
  }
}

/**
 * The names that stand first in some paths, each once.
 * @param {Dropped[]} files
 */
export function names(files) {
  return [...new Set(files.map(({ path }) => path.split("/")[0]))];
}
