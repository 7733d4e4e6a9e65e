/**
 * The first error of several callbacks. All of them are called, whatever one
 * of them throws; the caller gets the first error when the work is done.
 */
export class FirstError {
  #failure: { readonly error: unknown } | null = null;

  /** Does some of the work, and keeps what it throws. */
  attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.keep(error);
    }
  }

  /** Keeps an error that was caught, unless there was one before. */
  keep(error: unknown): void {
    this.#failure ??= { error };
  }

  /** Throws the first error that was kept; to be called when the work is done. */
  rethrow(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }
}
