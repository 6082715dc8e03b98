/** The manager in an output's frame: ipywidgets' own base, with models by their state and comms by messages. */
import * as base from "@jupyter-widgets/base";
import { ManagerBase } from "@jupyter-widgets/base-manager";

const tell = (message) => parent.postMessage(message, "*");
const asked = new Map(); // id -> what waits for the state
const comms = new Map();

class Comm {
  target_name = "";
  constructor(id) {
    this.comm_id = id;
    comms.set(id, this);
  }
  open() {
    throw new Error("Comms are opened by the manager.");
  }
  send(data, callbacks, metadata, buffers) {
    const bytes = buffers?.map((one) => (ArrayBuffer.isView(one) ? new Uint8Array(one.buffer, one.byteOffset, one.byteLength) : one));
    tell({ send: this.comm_id, data: JSON.parse(JSON.stringify(data)), buffers: bytes });
    setTimeout(() => callbacks?.iopub?.status?.({ content: { execution_state: "idle" } }));
    return "";
  }
  close() {}
  on_msg(hear) {
    this.hear = hear;
  }
  on_close() {}
}

class Manager extends ManagerBase {
  #own = new Map();
  async loadClass(name, module) {
    if (module === "@jupyter-widgets/base") return base[name];
    if (module !== "anywidget") throw new Error(`No ${module} here.`);
    const script = await (await fetch("anywidget.js")).text();
    let made;
    new Function("define", script)((_, make) => (made ??= make(base)));
    this.loadClass = async (one, from) => (from === "anywidget" ? made : base)[one];
    return made[name];
  }
  _create_comm() {
    throw new Error("No view opens a comm.");
  }
  _get_comm_info() {
    throw new Error("Not there.");
  }
  get_model(id) {
    if (!this.#own.has(id)) this.#own.set(id, this.#made(id));
    return this.#own.get(id);
  }
  async #made(id) {
    const { model, living } = await new Promise((done) => {
      asked.set(id, done);
      tell({ ask: id });
    });
    if (!model) throw new Error("not found");
    const plain = base.remove_buffers(model.state);
    base.put_buffers(model.state, plain.buffer_paths, plain.buffers);
    const options = {
      model_name: model.modelName, model_module: model.modelModule, model_module_version: model.modelModuleVersion,
      model_id: id, comm: living ? new Comm(id) : undefined,
    };
    return this.new_model(options, model.state);
  }
  async opened(id, data) {
    if (this.#own.has(id)) return;
    const message = { metadata: { version: base.PROTOCOL_VERSION }, content: { comm_id: id, target_name: "jupyter.widget", data } };
    await this.handle_comm_open(new Comm(id), message).catch((error) => console.warn(String(error)));
  }
}

const manager = new Manager();
addEventListener("message", ({ source, data }) => {
  if (source !== parent) return;
  if (data.asked) asked.get(data.asked)(data);
  if (data.opened) manager.opened(data.opened, data.data);
  if (data.told) {
    const buffers = data.buffers.map((one) => new Uint8Array(one));
    comms.get(data.told)?.hear?.({ content: { comm_id: data.told, data: data.data }, buffers });
  }
});

const view = await manager.create_view(await manager.get_model(location.hash.slice(1)));
for (const type of ["before-attach", "after-attach"]) {
  if (type === "after-attach") document.body.append(view.el);
  view.luminoWidget.processMessage({ type, isConflatable: false, conflate: () => false });
}
