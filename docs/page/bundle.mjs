// Runs bundle.py in Pyodide itself: its bytecode is that of its own Python and of no other.
// node bundle.mjs PYODIDE WORK: reads WORK/bundle.py, WORK/application/, writes WORK/boot.zip and WORK/rest.tar.xz.
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";

const [pyodide, work] = process.argv.slice(2).map((path) => resolve(path));
const { loadPyodide } = await import(pathToFileURL(`${pyodide}/pyodide.mjs`).href);
const python = await loadPyodide();
for (const [at, root] of [["/work", work], ["/pyodide", pyodide]]) {
  python.FS.mkdir(at);
  python.FS.mount(python.FS.filesystems.NODEFS, { root }, at);
}
python.runPython(`
import importlib, io, sys, tarfile
with tarfile.open(fileobj=io.BytesIO(), mode="w:xz"):
    importlib.invalidate_caches()
first = sorted(sys.modules)  # what it takes to start and to unpack the rest, as worker.js does
sys.path.insert(0, "/work")
import json, os, zipfile
import bundle

with zipfile.ZipFile("/pyodide/python_stdlib.zip") as archive:
    library = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
application = {}
for folder, _, names in os.walk("/work/application"):
    for name in names:
        path = os.path.join(folder, name)
        with open(path, "rb") as file:
            application[os.path.relpath(path, "/work/application")] = file.read()
with open("/work/roots.json") as file:
    roots = json.load(file)
boot, rest = bundle.bundle(library, application, roots, first)
for name, data in (("boot.zip", boot), ("rest.tar.xz", rest)):
    with open(f"/work/{name}", "wb") as file:
        file.write(data)
`);
