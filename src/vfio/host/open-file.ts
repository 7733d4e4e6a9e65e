/**
 * An open file: what a descriptor stands for, with as many users as there are
 * descriptors and kernel references.
 */
export class OpenFile<T extends object = object> {
  readonly object: T;
  readonly #released: () => void;
  #users = 1;

  /** @param released called when the last user has closed the file */
  constructor(object: T, released: () => void) {
    this.object = object;
    this.#released = released;
  }

  /** One more user. */
  retain(): void {
    this.#users++;
  }

  /** One user less. */
  release(): void {
    this.#users--;
    if (this.#users === 0) this.#released();
  }
}
