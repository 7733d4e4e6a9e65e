import type { DirtyLog } from "../dirty-log.ts";
import type { Frame } from "../protocol/layout.ts";
import type { ConfigSpace } from "./config-space.ts";
import type { DeviceMigration } from "./device-migration.ts";
import type { PciDeviceModel } from "./device-model.ts";
import type { Interrupts } from "./interrupts.ts";
import type { ServerProfile } from "./profile.ts";
import type { ServerWindows } from "./server-windows.ts";

/** Data of one message. */
export const MAX_DATA: number = 2 ** 20;

/** Says that a command is never answered. */
export const NO_ANSWER: unique symbol = Symbol("no answer");
/** What a command is answered: the reply, or nothing. */
export type HandlerAnswer = Frame | typeof NO_ANSWER;

/** What the commands of a connection work on. */
export interface CommandContext {
  readonly device: PciDeviceModel;
  readonly profile: ServerProfile;
  readonly config: ConfigSpace;
  readonly table: ServerWindows;
  readonly interrupts: Interrupts;
  /** Of a device that migrates. */
  readonly migration: DeviceMigration | undefined;
  /** Bytes of data that the client takes in one message. */
  readonly mostAtOnce: number;
  /** What the device wrote, while the client wants to know. */
  dirtyLog: DirtyLog | null;
  /** The device comes to rest, at once if there is no promise; {@link NO_ANSWER} if it failed to after a while, and the profile is silent then. */
  quiesce(): Promise<typeof NO_ANSWER | undefined> | undefined;
}
