import { IommuError } from "../../base/errors.ts";
import { counted } from "../../base/units.ts";
import { profileOf } from "../../formats/op-script/header.ts";
import { parseOpScript } from "../../formats/op-script/script.ts";
import { listenForHosts, nodeTimers } from "../../live/vfio-user-socket.ts";
import { runOpScript } from "../../script/op/run.ts";
import type { DmaMessage } from "../../vfio/vfio-user-container.ts";
import { MAILBOX_MISTAKES, type MailboxMistake } from "../../vfio-user/devices/mailbox-dma.ts";
import { ProbeDevice, type ProbeEvent } from "../../vfio-user/devices/probe.ts";
import { serveMailbox } from "../../vfio-user/devices/serve-mailbox.ts";
import type { ByteChannel } from "../../vfio-user/protocol/channel.ts";
import { SERVER_PROFILES } from "../../vfio-user/server/profile.ts";
import { ServerSession } from "../../vfio-user/server/session.ts";
import { type AnswerOptions, RowPrinter } from "../answer.ts";
import { colors } from "../colors.ts";
import { displayName } from "../display-name.ts";
import { Exit } from "../exit-status.ts";
import { readTextFile } from "../input.ts";
import { untilInterrupted } from "../interrupt.ts";
import { answerOptions, flag, quietOption, text, value, wholeNumber } from "../options.ts";
import { print, printError, toJson } from "../output.ts";
import { defineVerb, type Verb } from "../verb.ts";

export interface ProbeVerbOptions extends AnswerOptions {
  readonly device: "probe" | "mailbox-dma";
  readonly server: string;
  readonly mistake: MailboxMistake | undefined;
  readonly expect: string | undefined;
  readonly once: boolean;
  readonly passFiles: boolean;
  readonly for: number | undefined;
  readonly quiet: boolean;
}

/** Messages that are kept for the answer. */
const MAX_EVENTS = 2 ** 20;
/** The first QEMU that has vfio-user devices: what a script is run as if it does not say. */
const FIRST_PROFILE = "qemu-11.1";
const COLUMNS = ["msg", "iova", "size", "prot"];

/** `probe SOCKET`: is a vfio-user device for a host, such as QEMU, and shows what that maps. */
export async function probe(socket: string, options: ProbeVerbOptions): Promise<number> {
  const { quiet, output } = options;
  if (options.device !== "mailbox-dma" && options.mistake !== undefined) {
    throw new IommuError("BAD_ARGUMENT", "--mistake is for --device mailbox-dma");
  }
  const expected = options.expect === undefined ? undefined : await expectedMessages(options.expect);
  const rows = new RowPrinter(COLUMNS, options);
  const events: ProbeEvent[] = [];
  const onEvent = (event: ProbeEvent): void => {
    if (events.length < MAX_EVENTS) events.push(event);
    rows.print({ ...event });
    if (output === "human") print(describe(event));
  };
  await listen(socket, options, onEvent, () => {
    if (!quiet) printError(`${socket}: ${options.device} waits for a host`);
  });
  const difference = expected === undefined ? undefined : differenceOf(expected, events);
  if (output === "json") print(toJson({ device: options.device, events, difference: difference ?? null }));
  if (!quiet && expected !== undefined) {
    printError(
      difference === undefined
        ? `${counted(expected.length, "message")} as expected`
        : colors.red(
            `message ${difference.index + 1} differs: expected ${shown(difference.expected)}, got ${shown(difference.actual)}`,
          ),
    );
  }
  return difference === undefined ? Exit.OK : Exit.WRONG;
}

/** Serves hosts until it is interrupted, the time is over, or the first one has left. */
async function listen(
  socket: string,
  options: ProbeVerbOptions,
  onEvent: (event: ProbeEvent) => void,
  onListening: () => void,
): Promise<void> {
  await untilInterrupted(async (signal) => {
    let finish: () => void = () => {};
    const over = new Promise<void>((resolve) => {
      finish = resolve;
    });
    signal.addEventListener("abort", finish);
    const stopTimer = options.for === undefined ? () => {} : nodeTimers.after(options.for * 1000, finish);
    const profile = SERVER_PROFILES[options.server]!;
    const { mistake } = options;
    const serve = async (channel: ByteChannel): Promise<void> => {
      const session =
        options.device === "probe"
          ? new ServerSession(channel, new ProbeDevice(onEvent), profile)
          : serveMailbox(channel, { profile, timers: nodeTimers, mistake });
      const reason = await session.closed;
      if (!options.quiet) printError(reason.message);
      if (options.once) finish();
    };
    const device = await listenForHosts(socket, serve, { passFiles: options.passFiles });
    onListening();
    await over;
    stopTimer();
    await device.close();
  });
}

/** The DMA messages that QEMU sends for an op script, as the engine has them. */
async function expectedMessages(path: string): Promise<ProbeEvent[]> {
  const name = displayName(path);
  const script = parseOpScript(await readTextFile(path), name);
  if (!script.vfioUser) {
    throw new IommuError(
      "BAD_FILE",
      `${name}: the script plugs no vfio-user device ("vfioUser" in its header)`,
    );
  }
  const { profile, qemu } = script.header.value;
  const system = profile === undefined && qemu === undefined ? FIRST_PROFILE : profileOf(script.header);
  return (
    runOpScript(script, { profile: system })
      .flatMap((result) => result.vfioUser as DmaMessage[])
      // Of what it refuses a device is not told.
      .filter(({ errno }) => errno === undefined)
      .map(({ msg, iova, size, prot = 0 }) => ({ msg, iova, size, prot: prot as 0 | 1 | 3 }))
  );
}

/** The first message that is not as expected; resets are the host's own. */
function differenceOf(
  expected: readonly ProbeEvent[],
  events: readonly ProbeEvent[],
): { index: number; expected: ProbeEvent | null; actual: ProbeEvent | null } | undefined {
  const actual = events.filter(({ msg }) => msg !== "DEVICE_RESET");
  for (let index = 0; index < Math.max(expected.length, actual.length); index++) {
    const [wanted, got] = [expected[index] ?? null, actual[index] ?? null];
    if (shown(wanted) !== shown(got)) return { index, expected: wanted, actual: got };
  }
  return undefined;
}

/** Of an unmap the permission is what was mapped, which no message says. */
const shown = (event: ProbeEvent | null): string =>
  event === null
    ? "nothing"
    : event.msg === "DMA_UNMAP"
      ? `DMA_UNMAP ${event.iova} ${event.size}`
      : describe(event);

const describe = (event: ProbeEvent): string =>
  event.msg === "DEVICE_RESET" ? event.msg : `${event.msg} ${event.iova} ${event.size} ${event.prot}`;

export const verb: Verb = defineVerb({
  name: "probe",
  summary: "be a vfio-user device for QEMU or another host, and show what it maps",
  arguments: [["<socket>", "UNIX socket to make and listen on"]],
  options: [
    text("--device <name>", "which device to be").choices(["probe", "mailbox-dma"]).default("probe"),
    text("--server <name>", "which server to be")
      .choices(Object.keys(SERVER_PROFILES))
      .default("specification"),
    text("--mistake <name>", "of mailbox-dma, to try testers of devices with").choices([...MAILBOX_MISTAKES]),
    text(
      "--expect <script>",
      "an op script with a vfio-user device: compare with the messages that QEMU sends for it; exit 2 on a difference",
    ),
    flag(
      "--pass-files",
      "take files along with messages: interrupts, and a second connection for DMA (needs python3 from 3.10 on)",
    ),
    flag("--once", "end when the first host has left"),
    value("--for <seconds>", "end after so many seconds", wholeNumber(1, 2_000_000)),
    ...answerOptions(),
    quietOption("print what is mapped only, nothing on standard error"),
  ],
  examples: [
    "probe /tmp/probe.sock --once --output jsonl",
    "probe /tmp/mailbox.sock --device mailbox-dma --server libvfio-user",
  ],
  screen: "drawn",
  run: probe,
});
