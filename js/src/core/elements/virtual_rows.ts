/** A long list in a scrolled box: only the rows that can be seen exist, and each is filled again when it scrolls in. */
const BEYOND = 4;

export interface Row {
  element: HTMLElement;
}

/** Pixels of a row, and of what stays above the rows within the box. */
export interface RowSizes {
  row: number;
  header: number;
}

export class VirtualRows<R extends Row> {
  #pool: { row: R; position: number }[] = [];
  #count = 0;

  /** `fill(row, position)` puts the content of a position into a row's elements. */
  constructor(
    readonly view: HTMLElement,
    readonly body: HTMLElement,
    readonly create: () => R,
    readonly fill: (row: R, position: number) => void,
    readonly sizes: RowSizes,
  ) {}

  /** Show `count` positions, all filled again. */
  reset(count: number): void {
    this.#count = count;
    this.body.style.height = `${count * this.sizes.row}px`;
    for (const slot of this.#pool) slot.position = -1;
    this.update();
  }

  /** Throw the row elements away: their columns have changed. */
  rebuild(): void {
    this.body.replaceChildren();
    this.#pool = [];
    this.update();
  }

  /** After scrolling or a change of size: fill only what is new. */
  update(): void {
    const fits = Math.ceil(this.view.clientHeight / this.sizes.row) + 2 * BEYOND;
    if (this.#pool.length !== fits) this.#resize(fits);
    const first = Math.max(0, Math.floor(this.view.scrollTop / this.sizes.row) - BEYOND);
    for (let position = first; position < first + fits; position++) {
      const slot = this.#pool[position % fits]!;
      if (position >= this.#count) {
        slot.row.element.hidden = true;
        slot.position = -1;
      } else if (slot.position !== position) {
        slot.row.element.hidden = false;
        slot.position = position;
        slot.row.element.style.transform = `translateY(${position * this.sizes.row}px)`;
        this.fill(slot.row, position);
      }
    }
  }

  #resize(size: number): void {
    while (this.#pool.length > size) this.#pool.pop()!.row.element.remove();
    while (this.#pool.length < size) {
      const row = this.create();
      this.body.append(row.element);
      this.#pool.push({ row, position: -1 });
    }
    for (const slot of this.#pool) slot.position = -1; // another size puts each position into another slot
  }

  /** Fill what is on show again: selection or theme changed. */
  refresh(): void {
    for (const { row, position } of this.#pool) if (position >= 0) this.fill(row, position);
  }

  /** The row that shows a position now, if one does. */
  at(position: number): R | undefined {
    return this.#pool.find((slot) => slot.position === position)?.row;
  }

  positionOf(element: HTMLElement): number {
    return this.#pool.find((slot) => slot.row.element === element)?.position ?? -1;
  }

  /** How many rows fit below the header. */
  get page(): number {
    return Math.max(1, Math.floor((this.view.clientHeight - this.sizes.header) / this.sizes.row));
  }

  isVisible(position: number): boolean {
    const top = position * this.sizes.row - this.view.scrollTop;
    return top >= 0 && top + this.sizes.row <= this.view.clientHeight - this.sizes.header;
  }

  scrollTo(position: number): void {
    const { view } = this;
    const room = view.clientHeight - this.sizes.header;
    const top = position * this.sizes.row;
    if (top < view.scrollTop) view.scrollTop = top;
    else if (top + this.sizes.row > view.scrollTop + room) view.scrollTop = top + this.sizes.row - room;
    this.update();
  }
}
