/** What lies over a view: in the page's top layer, where neither a short view nor a host cuts it at the view's edge. */

/** The corner that an overlay of this size is to have, in client coordinates; it is moved into the window. */
export type Place = (width: number, height: number) => readonly [left: number, top: number];

export interface Overlay {
  show(place: Place): void;
  hide(): void;
}

/** Room between an overlay and the edge of the window. */
const EDGE = 4;

/** `element` stands in the view, is hidden at first, and follows the view when that is scrolled. */
export function createOverlay(element: HTMLElement): Overlay {
  element.setAttribute("popover", "manual");
  element.hidden = true;
  let place: Place = () => [0, 0];
  const put = (): void => {
    if (!element.isConnected) {
      hide();
      return;
    }
    const { clientWidth, clientHeight } = document.documentElement;
    const { offsetWidth, offsetHeight } = element;
    const [left, top] = place(offsetWidth, offsetHeight);
    const within = (at: number, size: number, room: number): string =>
      `${Math.max(EDGE, Math.min(at, room - size - EDGE))}px`;
    element.style.left = within(left, offsetWidth, clientWidth);
    element.style.top = within(top, offsetHeight, clientHeight);
  };
  const hide = (): void => {
    if (element.hidden) return;
    window.removeEventListener("scroll", put, true);
    window.removeEventListener("resize", put);
    if (isOpen(element)) element.hidePopover?.();
    element.hidden = true;
  };
  return {
    show(next) {
      if (element.hidden) {
        window.addEventListener("scroll", put, { capture: true, passive: true });
        window.addEventListener("resize", put);
        element.hidden = false;
      }
      if (element.isConnected && !isOpen(element)) element.showPopover?.();
      place = next;
      put();
    },
    hide,
  };
}

/** Where a browser has no top layer, the element lies over what is beside it. */
const isOpen = (element: HTMLElement): boolean =>
  "popover" in HTMLElement.prototype && element.matches(":popover-open");
