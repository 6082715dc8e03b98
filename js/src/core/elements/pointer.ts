/** Pointers within an element: where they are, and what follows one that is down. */

/** Where it is within an element, in pixels. */
export function placeIn(element: Element, { clientX, clientY }: MouseEvent): [x: number, y: number] {
  const { left, top } = element.getBoundingClientRect();
  return [clientX - left, clientY - top];
}

/** Follow a pointer that is down on an element, wherever it goes, until it is let go or taken away: then `end`. */
export function followPointer(
  element: HTMLElement,
  down: PointerEvent,
  move: (event: PointerEvent) => void,
  end: () => void = () => {},
): void {
  element.setPointerCapture(down.pointerId);
  element.onpointermove = move;
  element.onlostpointercapture = () => {
    element.onpointermove = element.onlostpointercapture = null;
    end();
  };
}

/** How much a turn of the wheel zooms; undefined without Ctrl, where the notebook scrolls. */
export function zoomOfWheel({ ctrlKey, metaKey, deltaY, deltaMode }: WheelEvent): number | undefined {
  return ctrlKey || metaKey ? Math.exp(-deltaY * (deltaMode ? 0.05 : 0.002)) : undefined;
}
