import { ErrnoNumber } from "../protocol/errno.ts";

/**
 * How a server behaves where implementations differ. Each is a plain object of named traits.
 *
 * @public
 */
export interface ServerProfile {
  readonly name: string;
  /**
   * While it waits for the reply to a DMA message it takes whatever arrives next for that, and it serves one command
   * after the other: a command that meets a DMA message ends the understanding for good.
   */
  readonly blockingDma: boolean;
  /** Headers and requests must arrive in one piece. */
  readonly onePiece: boolean;
  /** A header of an impossible size or type is refused, and what follows is read as the next one. */
  readonly badHeadersRefused: boolean;
  /** Windows may begin anywhere and have any size, none included; else they are whole pages of 4096 bytes. */
  readonly oddWindowsAccepted: boolean;
  /** Answer to a DMA_MAP that overlaps. */
  readonly overlapErrno: number;
  /** A DMA_MAP that is the same as a window is a success, and the device is told again. */
  readonly sameMapAccepted: boolean;
  /** A transfer may not pass the end of a window. */
  readonly oneWindowPerTransfer: boolean;
  /** A window with the last page of the bus is taken, and never found. */
  readonly lastPageUnreachable: boolean;
  /** It sends DMA_READ for windows that may only be written. */
  readonly readsWriteOnly: boolean;
  /** DMA goes on while the bus master bit is off. */
  readonly ignoresBusMaster: boolean;
  /** Error replies to refused region accesses have the body of a success. */
  readonly errorBodies: boolean;
  /** The largest window in bytes, and the answer to a larger one. */
  readonly maxWindowBytes: bigint;
  readonly tooLargeErrno: number;
  /** The most windows. */
  readonly maxWindows: number;
  /** What a BAR that is not there reads as. */
  readonly absentBar: number;
  /** Reads of no bytes are answered by the bare header. */
  readonly emptyAccessAccepted: boolean;
  /** Writes of configuration space that a host may not do are refused; else they do nothing. */
  readonly configWritesRefused: boolean;
  /** A device that asks for time to come to rest and fails leaves the command without a reply. */
  readonly failedQuiesceSilent: boolean;
  /** It logs what the device writes by messages, too, when asked to (DMA_LOGGING_START). */
  readonly logsWrites: boolean;
  /** INTx, MSI and MSI-X have one list of files: giving one of a kind takes that of the same number of another. */
  readonly sharesIrqFiles: boolean;
  /** Files of interrupts are taken back from the first one on; otherwise nothing happens, and that is a success. */
  readonly takesIrqsFromFirstOnly: boolean;
  /** A device that is stopped for migration takes no command but accesses, features and MIG_DATA_READ, and no access while it saves. */
  readonly closedWhileStopped: boolean;
  /** Data of MIG_DATA_READ are as long as was asked for, with zeros at the end. */
  readonly padsMigrationData: boolean;
  /** Page size that a client must say, if it says one and the device migrates; 0: any. */
  readonly migrationPageSize: number;
  /** REGION_WRITE_MULTI is understood. */
  readonly writeMultiple: boolean;
  /** What it says in VERSION. */
  readonly minor: number;
}

/**
 * What the specification says: several things go on at once, and nobody loses the other.
 *
 * @public
 */
export const SPECIFICATION: ServerProfile = {
  name: "specification",
  blockingDma: false,
  onePiece: false,
  badHeadersRefused: false,
  oddWindowsAccepted: false,
  overlapErrno: ErrnoNumber.EEXIST,
  sameMapAccepted: false,
  oneWindowPerTransfer: false,
  lastPageUnreachable: false,
  readsWriteOnly: false,
  ignoresBusMaster: false,
  errorBodies: false,
  maxWindowBytes: 1n << 63n,
  tooLargeErrno: ErrnoNumber.ENOSPC,
  maxWindows: 65_535,
  absentBar: 0,
  emptyAccessAccepted: false,
  configWritesRefused: false,
  failedQuiesceSilent: false,
  logsWrites: true,
  sharesIrqFiles: false,
  takesIrqsFromFirstOnly: false,
  closedWhileStopped: false,
  padsMigrationData: false,
  migrationPageSize: 0,
  writeMultiple: true,
  minor: 2,
};

/**
 * What libvfio-user was seen to do, on one socket.
 *
 * @public
 */
export const LIBVFIO_USER: ServerProfile = {
  name: "libvfio-user",
  blockingDma: true,
  onePiece: true,
  badHeadersRefused: true,
  oddWindowsAccepted: true,
  overlapErrno: ErrnoNumber.EINVAL,
  sameMapAccepted: true,
  oneWindowPerTransfer: true,
  lastPageUnreachable: true,
  readsWriteOnly: true,
  ignoresBusMaster: true,
  errorBodies: true,
  maxWindowBytes: 1n << 43n,
  tooLargeErrno: ErrnoNumber.ENOSPC,
  maxWindows: 1_000_000,
  absentBar: 1,
  emptyAccessAccepted: true,
  configWritesRefused: true,
  failedQuiesceSilent: true,
  logsWrites: false,
  sharesIrqFiles: true,
  takesIrqsFromFirstOnly: true,
  closedWhileStopped: true,
  padsMigrationData: true,
  migrationPageSize: 4096,
  writeMultiple: false,
  minor: 2,
};

/**
 * The profiles by name.
 *
 * @public
 */
export const SERVER_PROFILES: Readonly<Record<string, ServerProfile>> = {
  specification: SPECIFICATION,
  "libvfio-user": LIBVFIO_USER,
};
