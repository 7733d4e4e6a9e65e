/** What is known of an address at which something can begin. */
export interface AddressUse<T> {
  /** What begins there, in the order in which it came. */
  readonly live: T[];
  /** Number of the last unmap there, counted from 0; -1 if there is none, or something was mapped since. */
  unmap: number;
}
