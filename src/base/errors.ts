/**
 * What went wrong, as a stable code that a caller may branch on.
 *
 * @public
 */
export type IommuErrorCode =
  | "BAD_ARGUMENT"
  | "BAD_SHAPE"
  | "OUT_OF_RANGE"
  | "LIMIT_EXCEEDED"
  | "REGION_MISUSE"
  | "NOTIFIER_REFUSED"
  | "LIOBN_IN_USE"
  | "BAD_CONFIG"
  | "BAD_FILE"
  | "PEER"
  | "REFUSED"
  | "INTERRUPTED"
  | "UNSUPPORTED";

/**
 * Values that belong to an error; they are in its message, too.
 *
 * @public
 */
export type ErrorDetails = Readonly<Record<string, bigint | number | string>>;

/**
 * A mistake by the caller or in a file. A guest's mistake is never an error
 * here: it is a return code of the call.
 *
 * @public
 */
export class IommuError extends Error {
  override readonly name = "IommuError";
  readonly code: IommuErrorCode;
  readonly details: ErrorDetails;

  constructor(code: IommuErrorCode, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}
