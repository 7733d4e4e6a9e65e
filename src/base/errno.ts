/**
 * The error names with which a host kernel refuses a system call.
 *
 * @module
 */

/**
 * Names as in errno(3); only those that the modelled calls answer.
 *
 * @public
 */
export type Errno =
  | "EPERM"
  | "ENOENT"
  | "EIO"
  | "ENXIO"
  | "EBADF"
  | "ENOMEM"
  | "EFAULT"
  | "EBUSY"
  | "EEXIST"
  | "ENODEV"
  | "EINVAL"
  | "ENOTTY"
  | "ENOSPC"
  | "EOVERFLOW";

/** What a system call answers: a value, or the name of an error. */
export type Answer<T = 0> = T | Errno;

/** Is the answer an error? Values are never plain strings. */
export const isErrno = (answer: unknown): answer is Errno => typeof answer === "string";
