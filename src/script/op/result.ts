/**
 * The result of an operation, in the shape of the recordings.
 *
 * @public
 */
export type OpResult = Readonly<Record<string, unknown>>;
