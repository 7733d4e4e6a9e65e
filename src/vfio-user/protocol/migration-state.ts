/**
 * States of a device that migrates, as numbers of MIG_DEVICE_STATE; 5 and 7 are not used here.
 *
 * @public
 */
export const MigrationState = {
  ERROR: 0,
  STOP: 1,
  RUNNING: 2,
  STOP_COPY: 3,
  RESUMING: 4,
  PRE_COPY: 6,
} as const;

const { STOP, RUNNING, STOP_COPY, RESUMING, PRE_COPY } = MigrationState;

/** Steps that a device makes; all others are made of them. */
const ARCS: readonly (readonly [from: number, to: number])[] = [
  [RUNNING, STOP],
  [STOP, RUNNING],
  [STOP, STOP_COPY],
  [STOP_COPY, STOP],
  [STOP, RESUMING],
  [RESUMING, STOP],
  [RUNNING, PRE_COPY],
  [PRE_COPY, RUNNING],
  [PRE_COPY, STOP_COPY],
];
/** In these a device gives its data away, so none is passed through. */
const SAVING: readonly number[] = [STOP_COPY, PRE_COPY];

/** Name of a state, for messages. */
export const migrationStateName = (state: number): string =>
  Object.entries(MigrationState).find(([, number]) => number === state)?.[0] ?? `state ${state}`;

/** The device stands still: no DMA, no interrupts. */
export const isStopped = (state: number): boolean => state !== RUNNING && state !== PRE_COPY;

/**
 * The shortest way from one state to another that passes through none in which data are saved.
 *
 * @param preCopy whether the device has that state
 * @returns the states behind the first one; undefined if there is no way
 */
export function migrationPath(from: number, to: number, preCopy: boolean): readonly number[] | undefined {
  const reached = new Map<number, readonly number[]>([[from, []]]);
  for (const [at, path] of reached) {
    if (at === to) return path;
    if (at !== from && SAVING.includes(at)) continue;
    for (const [start, next] of ARCS) {
      if (start !== at || reached.has(next) || (next === PRE_COPY && !preCopy)) continue;
      reached.set(next, [...path, next]);
    }
  }
  return undefined;
}
