/**
 * What a driver does wrong, each in one of so many maps; what is not named it does right.
 *
 * @public
 */
export interface DriverMistakes {
  /** An unmap is forgotten. */
  readonly leakEvery?: number;
  /** A buffer is unmapped before its device has done with it. */
  readonly freesEarlyEvery?: number;
  /** A buffer is mapped for the other direction. */
  readonly wrongDirectionEvery?: number;
  /** The device is given an address behind the window. */
  readonly outsideEvery?: number;
}

/** What is done wrong with one map. */
export interface Mistake {
  readonly leaks: boolean;
  readonly freesEarly: boolean;
  readonly wrongDirection: boolean;
  readonly outside: boolean;
}

/**
 * How many mistakes of each kind a driver has made.
 *
 * @public
 */
export interface MistakeCounts {
  readonly leaks: number;
  readonly freesEarly: number;
  readonly wrongDirection: number;
  readonly outside: number;
}

/** Counts the maps of a driver, and says which of them go wrong. */
export class MistakeCounter {
  /** How many there were so far. */
  readonly made: { -readonly [Kind in keyof MistakeCounts]: number } = {
    leaks: 0,
    freesEarly: 0,
    wrongDirection: 0,
    outside: 0,
  };
  readonly #mistakes: DriverMistakes;
  #maps = 0;

  constructor(mistakes: DriverMistakes) {
    this.#mistakes = mistakes;
  }

  /** The next map. */
  next(): Mistake {
    const count = ++this.#maps;
    const isDue = (every: number | undefined): boolean => every !== undefined && count % every === 0;
    const { leakEvery, freesEarlyEvery, wrongDirectionEvery, outsideEvery } = this.#mistakes;
    const mistake = {
      leaks: isDue(leakEvery),
      freesEarly: isDue(freesEarlyEvery),
      wrongDirection: isDue(wrongDirectionEvery),
      outside: isDue(outsideEvery),
    };
    for (const [kind, isMade] of Object.entries(mistake)) if (isMade) this.made[kind as keyof Mistake]++;
    return mistake;
  }
}
