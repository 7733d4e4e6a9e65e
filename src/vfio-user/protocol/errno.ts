/** Linux' numbers of the errors that vfio-user peers send. */
export const ErrnoNumber = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  E2BIG: 7,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENOSPC: 28,
  ENOSYS: 38,
  EPROTO: 71,
  ENOTSUP: 95,
  ETIMEDOUT: 110,
} as const;

/** Name of an error number, or the number itself. */
export const errnoName = (errno: number): string =>
  Object.entries(ErrnoNumber).find(([, number]) => number === errno)?.[0] ?? `errno ${errno}`;
