import { MailboxCommand, MailboxRegister } from "../../vfio-user/devices/mailbox-dma.ts";

/**
 * A register: where it stands in its region, and how many bytes it has.
 *
 * @public
 */
export interface FuzzRegister {
  readonly offset: number;
  readonly bytes: 1 | 2 | 4 | 8;
}

/**
 * How a driver makes a device do DMA: an address, a length, and a register whose write starts it.
 *
 * @public
 */
export interface FuzzTarget {
  readonly region: number;
  readonly address: FuzzRegister;
  readonly length: FuzzRegister & { readonly max: number };
  /** Written last; each value with what the device does then: 1 reads memory, 2 writes it, 3 both. */
  readonly command: FuzzRegister & {
    readonly values: readonly { readonly value: number; readonly needs: 1 | 2 | 3 }[];
  };
  /** Other writes that make the device go on. */
  readonly kicks: readonly (FuzzRegister & { readonly value: number })[];
}

/**
 * The registers of the sample device.
 *
 * @public
 */
export const MAILBOX_TARGET: FuzzTarget = {
  region: 0,
  address: { offset: MailboxRegister.ADDRESS, bytes: 8 },
  length: { offset: MailboxRegister.LENGTH, bytes: 4, max: 0x1_0000 },
  command: {
    offset: MailboxRegister.COMMAND,
    bytes: 4,
    values: [
      { value: MailboxCommand.READ, needs: 1 },
      { value: MailboxCommand.WRITE, needs: 2 },
      { value: MailboxCommand.READ | MailboxCommand.QUEUE, needs: 1 },
      { value: MailboxCommand.WRITE | MailboxCommand.QUEUE, needs: 2 },
    ],
  },
  kicks: [{ offset: MailboxRegister.KICK, bytes: 4, value: 1 }],
};
