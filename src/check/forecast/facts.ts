/**
 * What was measured of QEMU's migration of TCE tables: QEMU 7.2.22 (Debian),
 * TCG, x86-64 with 2 processors, empty windows of 64 KiB pages, the stream
 * written to a file in memory, no bandwidth limit.
 *
 * | entries | saved in | loaded in |
 * | --- | --- | --- |
 * | 2^26 | 4.9 s | |
 * | 2^27 | 6.3 s to 9.6 s | 11.9 s |
 * | 2^28 | 10.9 s to 19.5 s | 20.0 s |
 *
 * The guest stands still for the whole time.
 *
 * @module
 */

/** Time that saving an entry takes, mapped or not: the slower ones of the runs above. */
export const SAVE_NS_PER_ENTRY = 73;

/** The largest table that was seen to be saved and loaded. */
export const MAX_SAVED_ENTRIES: number = 2 ** 28;
