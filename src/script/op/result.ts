/** The result of an operation, in the shape of the recordings. */
export type OpResult = Readonly<Record<string, unknown>>;
