/** The clipboard. */

/** Copy text; where the host's frame is not allowed to use the clipboard, through a selected text field. */
export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    if (!done) throw new Error("The browser does not let this page use the clipboard.");
  }
}
