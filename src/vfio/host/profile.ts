/**
 * What Linux versions do differently, and what they do against expectation.
 *
 * Each oddity has a name; the code asks for it by that name, and its rule in
 * docs/behaviour.md names the recordings of a real kernel that show it.
 *
 * @module
 */

/**
 * The behaviour of one host kernel.
 *
 * @public
 */
export interface KernelProfile {
  readonly name: string;
  /**
   * Version 1 containers take a PowerNV group (one only). 6.1 refuses with
   * EPERM: there v1 is for platforms without windows of their own (VFIO-GROUP-4).
   */
  readonly v1TakesPowerNvGroups: boolean;
  /**
   * A group that leaves clears every entry of the container's tables, also for
   * the groups that stay (VFIO-GROUP-3). In 6.1 the entries stay.
   */
  readonly detachClearsMappings: boolean;
  /**
   * A misaligned I/O address in MAP or UNMAP is answered by 1, a success, and
   * nothing is done: two checks are joined by a logical or (VFIO-MAP-2).
   */
  readonly misalignedIovaAnswersOne: boolean;
  /**
   * UNREGISTER of a region with mappings answers 0. The container forgets the
   * region; the process keeps it and its locked pages (VFIO-REGISTER-3).
   */
  readonly unregisterIgnoresMappings: boolean;
  /**
   * A table that could not be allocated stays in the account of locked memory
   * (VFIO-LOCK-3).
   */
  readonly failedTableStaysCharged: boolean;
  /**
   * REGISTER of memory that ends in a hole answers the number of pages pinned
   * before it, as if it were a success, and registers nothing (VFIO-REGISTER-2).
   */
  readonly partialPinAnswersCount: boolean;
  /**
   * A region whose first page is huge counts as huge all over, whatever
   * follows; MAP finds out page by page (VFIO-REGISTER-4).
   */
  readonly firstHugePageDecides: boolean;
  /**
   * MAP of a version 1 container pins for writing even if the device may only
   * read, so read-only memory is EFAULT (VFIO-MAP-5).
   */
  readonly v1PinsForWriting: boolean;
}

/**
 * What the recordings show (6.12.107).
 *
 * @public
 */
export const LINUX_6_12: KernelProfile = Object.freeze({
  name: "linux-6.12",
  v1TakesPowerNvGroups: true,
  detachClearsMappings: true,
  misalignedIovaAnswersOne: true,
  unregisterIgnoresMappings: true,
  failedTableStaysCharged: true,
  partialPinAnswersCount: true,
  firstHugePageDecides: true,
  v1PinsForWriting: true,
});

/**
 * As 6.1.176 is documented; there is no recording of it.
 *
 * @public
 */
export const LINUX_6_1: KernelProfile = Object.freeze({
  ...LINUX_6_12,
  name: "linux-6.1",
  v1TakesPowerNvGroups: false,
  detachClearsMappings: false,
});

/**
 * The profiles by name.
 *
 * @public
 */
export const KERNEL_PROFILES: readonly KernelProfile[] = [LINUX_6_12, LINUX_6_1];
