/** The secret that `microscope ui` printed: from the address to this tab, and nowhere else. */

const KEY = "scope-widgets.token";
const PAGE = "scope-widgets.page";
const CHANNEL = "scope-widgets.token";
/** Milliseconds that another tab is given to answer. */
const PATIENCE = 300;

/** What stands in the address after "#", which is then taken out of it: addresses are shown, copied and kept. */
export function takeFragment(): Record<string, string> {
  const found = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  return found;
}

export function keepToken(token: string): void {
  sessionStorage.setItem(KEY, token);
}

/** That of this tab, or of another tab of this same server: only its own pages hear the question. */
export async function knownToken(): Promise<string | undefined> {
  const own = sessionStorage.getItem(KEY);
  if (own) return own;
  const channel = new BroadcastChannel(CHANNEL);
  const answer = new Promise<string | undefined>((resolve) => {
    channel.onmessage = ({ data }) => typeof data?.token === "string" && resolve(data.token);
    setTimeout(() => resolve(undefined), PATIENCE);
  });
  channel.postMessage({ ask: true });
  const token = await answer;
  channel.close();
  return token;
}

/** Answer other tabs of this server. */
export function answerTabs(token: string): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = ({ data }) => data?.ask && channel.postMessage({ token });
}

/** The name of this tab's page, by which the server knows it after a reload. */
export function pageId(): string {
  let id = sessionStorage.getItem(PAGE);
  if (!id) {
    const bytes = crypto.getRandomValues(new Uint8Array(18));
    id = btoa(String.fromCharCode(...bytes))
      .replaceAll("+", "-")
      .replaceAll("/", "_");
    sessionStorage.setItem(PAGE, id);
  }
  return id;
}
