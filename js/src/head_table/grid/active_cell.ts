/** The cell of the grid that keys start from: marked, and named by the grid's aria-activedescendant, while it exists. */

/** Position of the column names. */
export const HEADER_ROW = -1;

export interface Line {
  element: HTMLElement;
  cells: HTMLElement[];
}

let ids = 0;

export class ActiveCell {
  position = 0;
  at = 0;
  readonly #id = `sw-ht-active-${++ids}`;
  /** Its row and itself. */
  #marked: HTMLElement[] = [];

  constructor(
    readonly grid: HTMLElement,
    /** The row that shows a position now, if one does. */
    readonly lineAt: (position: number) => Line | undefined,
  ) {}

  get element(): HTMLElement | undefined {
    return this.#marked[1];
  }

  /** Rows are filled again for other positions, so the mark moves without the cell. */
  mark(): void {
    for (const one of this.#marked) {
      one.classList.remove("sw-active");
      one.removeAttribute("id");
    }
    const line = this.lineAt(this.position);
    const cell = line?.cells[this.at];
    this.#marked = line && cell ? [line.element, cell] : [];
    for (const one of this.#marked) one.classList.add("sw-active");
    if (cell) cell.id = this.#id;
    this.grid.setAttribute("aria-activedescendant", cell ? this.#id : "");
  }
}
