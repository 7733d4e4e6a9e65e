/** One who waits until something comes. */
export class Turn {
  #wake: () => void = () => {};

  /** Something came. */
  come(): void {
    this.#wake();
  }

  /** The next time that something comes. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
