/** The webview's half of VS Code's Jupyter extension: a kernel whose socket is the extension, and Microsoft's manager on it. */
import { ServerConnection } from "@jupyterlab/services";
import { KernelConnection } from "@jupyterlab/services/lib/kernel/default";
import { activate } from "@vscode/jupyter-ipywidgets8";

const WIDGET = "application/vnd.jupyter.widget-view+json";
const tell = (message, payload) => parent.postMessage(JSON.stringify({ message, payload }), "*");
const scripts = new Map(); // module -> what waits for its address
let socket, kernel, manager, mirroring;

class Socket {
  protocol = "";
  constructor() {
    socket = this;
  }
  send(data) {
    if (mirroring) return;
    if (typeof data === "string") tell("text", data);
    else tell("binary", [...new Uint8Array(data)]);
  }
  close() {}
}

const loader = {
  widgetsRegisteredInRequireJs: new Set(),
  loadWidgetScript: (module) =>
    new Promise((done) => {
      scripts.set(module, done);
      tell("script", module);
    }),
  successHandler() {},
  errorHandler: (name, module, version, error) => console.error(`${module} ${version} ${name}: ${error}`),
};

const hear = {
  kernel({ session, id }) {
    kernel = new KernelConnection({
      serverSettings: ServerConnection.makeSettings({ WebSocket: Socket, wsUrl: "ws://none" }),
      clientId: session,
      handleComms: true,
      username: "",
      model: { id, name: "python3" },
    });
    socket.onopen({ target: socket });
    manager = new vscIPyWidgets.WidgetManager(kernel, document.getElementById("container"), loader, () => {});
  },
  text: (data) => socket?.onmessage?.({ target: socket, data }),
  binary: (data) => socket?.onmessage?.({ target: socket, data: new Uint8Array(data).buffer }),
  execute(message) {
    mirroring = true;
    kernel.sendShellMessage(message, false, false);
    mirroring = false;
  },
  script({ module, address }) {
    requirejs.config({ paths: { [module]: address } });
    loader.widgetsRegisteredInRequireJs.add(module);
    scripts.get(module)();
  },
  async output(data) {
    const element = document.createElement("div");
    element.className = "output_container";
    document.getElementById("container").append(element);
    if (!data[WIDGET]) {
      element.innerHTML = data["text/html"] ?? "";
      return;
    }
    const { model_id } = data[WIDGET];
    while (!manager.has_model(model_id)) await new Promise((done) => setTimeout(done, 20)); // as it hears the kernel
    const place = document.createElement("div");
    place.className = "cell-output-ipywidget-background";
    element.append(place);
    const view = await manager.create_view(await manager.get_model(model_id), { el: place });
    await manager.display_view(data[WIDGET], view, { node: place });
  },
};
addEventListener("message", ({ source, data }) => {
  if (source !== parent) return;
  const { message, payload } = JSON.parse(data);
  hear[message](payload);
});

activate();
vscIPyWidgets8.load();
tell("ready");
