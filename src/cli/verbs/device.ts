import { IommuError } from "../../base/errors.ts";
import { hex } from "../../base/u64.ts";
import { counted, formatSize } from "../../base/units.ts";
import { parseDeviceScript } from "../../formats/op-script/device-operation.ts";
import { connectDevice, nodeTimers } from "../../live/vfio-user-socket.ts";
import { type FuzzReport, fuzzDevice } from "../../script/device/fuzz.ts";
import { type FuzzTarget, MAILBOX_TARGET } from "../../script/device/fuzz-target.ts";
import { parseFuzzTarget } from "../../script/device/parse-target.ts";
import type { DeviceFinding } from "../../script/device/result.ts";
import { DeviceRunner } from "../../script/device/run.ts";
import type { DeviceDescription } from "../../vfio-user/client/device-host.ts";
import { MAILBOX_MISTAKES, type MailboxMistake } from "../../vfio-user/devices/mailbox-dma.ts";
import { serveMailbox } from "../../vfio-user/devices/serve-mailbox.ts";
import { memoryChannels } from "../../vfio-user/memory-channel.ts";
import type { ByteChannel } from "../../vfio-user/protocol/channel.ts";
import { SERVER_PROFILES } from "../../vfio-user/server/profile.ts";
import { type Answer, type AnswerOptions, printAnswer, type Row } from "../answer.ts";
import { colors } from "../colors.ts";
import { displayName } from "../display-name.ts";
import { Exit } from "../exit-status.ts";
import { readTextFile } from "../input.ts";
import { untilInterrupted } from "../interrupt.ts";
import { ANY_INPUT, answerOptions, flag, quietOption, text, value, wholeNumber } from "../options.ts";
import { print, printError, toJson } from "../output.ts";
import { printTable } from "../table.ts";
import { defineVerb, type Verb } from "../verb.ts";

export interface DeviceVerbOptions extends AnswerOptions {
  readonly script: string | undefined;
  readonly fuzz: boolean;
  readonly seed: number;
  readonly runs: number;
  readonly steps: number;
  readonly registers: string | undefined;
  readonly sample: boolean;
  readonly mistake: MailboxMistake | undefined;
  readonly server: string | undefined;
  readonly pipelined: boolean;
  readonly passFiles: boolean;
  readonly timeout: number | undefined;
  readonly quiet: boolean;
}

/** Nothing is on its way between two ends in one process when a timer fires. */
const SAMPLE_TIMEOUT = 50;

/** `device SOCKET`: drives a vfio-user device through the IOMMU. */
export async function device(socket: string | undefined, options: DeviceVerbOptions): Promise<number> {
  checkOptions(socket, options);
  return await untilInterrupted(async (signal) => {
    const connect = connectorOf(socket, options, signal);
    if (options.fuzz) return await fuzz(connect, options, signal);
    if (options.script !== undefined) return await runScript(connect, options.script, options);
    return await describe(connect, options);
  });
}

function checkOptions(socket: string | undefined, options: DeviceVerbOptions): void {
  const { sample, mistake, server, fuzz: isFuzz, script, registers } = options;
  const wrong = (message: string): IommuError => new IommuError("BAD_ARGUMENT", message);
  if (sample === (socket !== undefined)) throw wrong("which device? Name the socket of one, or --sample");
  if (!sample && (mistake !== undefined || server !== undefined)) {
    throw wrong("--mistake and --server are for the sample device: add --sample");
  }
  if (isFuzz && script !== undefined)
    throw wrong("--fuzz makes scripts and --script runs one: name one of them");
  if (!isFuzz && registers !== undefined) throw wrong("--registers is for --fuzz");
}

type Connector = () => Promise<ByteChannel>;

function connectorOf(socket: string | undefined, options: DeviceVerbOptions, signal: AbortSignal): Connector {
  const { mistake, server = "specification", passFiles } = options;
  if (socket !== undefined) return () => connectDevice(socket, signal, { passFiles });
  return () => {
    const [client, served] = memoryChannels(passFiles);
    serveMailbox(served, { profile: SERVER_PROFILES[server], timers: nodeTimers, mistake });
    return Promise.resolve(client);
  };
}

const hostOptions = ({ pipelined, timeout, sample }: DeviceVerbOptions) =>
  ({
    name: "device",
    mode: pipelined ? "pipelined" : "single",
    timers: nodeTimers,
    timeout: timeout === undefined ? (sample ? SAMPLE_TIMEOUT : undefined) : timeout * 1000,
  }) as const;

// ------------------------------------------------------------------ what it is

async function describe(connect: Connector, options: DeviceVerbOptions): Promise<number> {
  const runner = await DeviceRunner.start({}, await connect(), hostOptions(options));
  const { description, client } = runner.host;
  const ids = await runner.host.read(7, 0n, 4);
  const vendor = hex(ids[0]! | (ids[1]! << 8));
  const id = hex(ids[2]! | (ids[3]! << 8));
  runner.stop();
  const { version, flags } = description;
  const { maxDataXferSize, maxDmaMaps, writeMultiple } = client.device;
  const told = { vendor, device: id, version, flags, maxDataXferSize, maxDmaMaps, writeMultiple };
  const parts = partsOf(description);
  await printAnswer(
    {
      human: () => {
        print(`PCI device ${vendor}:${id}, vfio-user ${version}`);
        printTable(
          [{ head: "what" }, { head: "index", align: "right" }, { head: "size", align: "right" }],
          parts.map(({ type, index, size, count }) => [
            String(type),
            String(index),
            type === "region" ? formatSize(BigInt(size as string)) : String(count),
          ]),
        );
      },
      json: () => [toJson({ ...told, parts })],
      columns: ["type", "index", "size", "flags", "count"],
      rows: () => parts,
    },
    options,
  );
  return Exit.OK;
}

const partsOf = ({ regions, irqs }: DeviceDescription): Row[] => [
  ...regions
    .filter(({ size }) => size > 0n)
    .map(({ index, size, flags }) => ({ type: "region", index, size: hex(size), flags })),
  ...irqs
    .filter(({ count }) => count > 0)
    .map(({ index, flags, count }) => ({ type: "interrupts", index, flags, count })),
];

// ------------------------------------------------------------------ scripts

/** A line of the script with its result, and what was found by it. */
interface RunLine extends Row {
  readonly line: number;
  readonly operation: unknown;
  readonly result: unknown;
}

async function runScript(connect: Connector, path: string, options: DeviceVerbOptions): Promise<number> {
  const name = displayName(path);
  const script = parseDeviceScript(await readTextFile(path), name);
  const runner = await DeviceRunner.start(script.config, await connect(), hostOptions(options));
  const lines: RunLine[] = [];
  const findings: (DeviceFinding & { readonly line: number })[] = [];
  for (const { line, operation } of script.lines) {
    const { result: _, ...shown } = line.value;
    const run = await runner.run(operation);
    lines.push({ line: line.number, operation: shown, result: run.result });
    findings.push(...run.findings.map((finding) => ({ line: line.number, ...finding })));
    // A connection that ended answers nothing any more.
    if (runner.host.client.end !== undefined) break;
  }
  runner.stop();
  const left = script.lines.length - lines.length;
  await printAnswer(
    {
      human: () => {
        print(toJson(script.header.value));
        for (const { operation, result } of lines) print(toJson({ ...(operation as object), result }));
      },
      json: () => [toJson({ file: name, operations: lines, notRun: left, findings })],
      columns: ["line", "operation", "result"],
      rows: () => lines,
    },
    options,
  );
  if (!options.quiet) {
    for (const { line, kind, why } of findings) printError(`${name}:${line}: ${colors.red(kind)}: ${why}`);
    if (left > 0) printError(`${name}: ${counted(left, "operation")} not run: the connection ended`);
  }
  return findings.length > 0 || left > 0 ? Exit.WRONG : Exit.OK;
}

// ------------------------------------------------------------------ fuzzing

async function fuzz(connect: Connector, options: DeviceVerbOptions, signal: AbortSignal): Promise<number> {
  const { seed, runs, steps } = options;
  const target = await targetOf(options);
  const report = await fuzzDevice({ connect, target, seed, runs, steps, host: hostOptions(options), signal });
  await printAnswer(fuzzAnswer(report, seed), options);
  if (!options.quiet) printError(describeFuzz(report, seed, target));
  return report.finding === undefined ? Exit.OK : Exit.WRONG;
}

async function targetOf({ registers, sample }: DeviceVerbOptions): Promise<FuzzTarget | undefined> {
  if (registers !== undefined) return parseFuzzTarget(await readTextFile(registers), displayName(registers));
  return sample ? MAILBOX_TARGET : undefined;
}

function fuzzAnswer({ runs, reductions, finding, script }: FuzzReport, seed: number): Answer {
  const [header, ...operations] = script.map((line) => JSON.parse(line) as object);
  return {
    human: () => {
      for (const line of script) print(line);
    },
    json: () => [
      toJson({ seed, runs, reductions, finding: finding ?? null, header: header ?? null, operations }),
    ],
    columns: ["line", "operation"],
    rows: () => operations.map((operation, i) => ({ line: i + 2, operation })),
  };
}

function describeFuzz(
  { runs, finding, script }: FuzzReport,
  seed: number,
  target: FuzzTarget | undefined,
): string {
  const from = `${counted(runs, "run")} from seed ${seed} on`;
  if (finding !== undefined) {
    return `${colors.red(finding.kind)}: ${finding.why} (${from}; ${counted(script.length - 1, "operation")})`;
  }
  const blind = " No DMA was started: --registers says how a driver does that.";
  return `nothing found in ${from}.${target === undefined ? blind : ""}`;
}

export const verb: Verb = defineVerb({
  name: "device",
  summary: "drive a vfio-user device through the IOMMU: what it is, a script, or a search for its mistakes",
  arguments: [["[socket]", "UNIX socket of a vfio-user server"]],
  options: [
    text("--script <file>", `run an op script on it, which may have vfio_user_ operations; ${ANY_INPUT}`),
    flag(
      "--fuzz",
      "look for mistakes: bad DMA, hangs, broken messages; prints a short script that shows the first one",
    ),
    value("--seed <number>", "with --fuzz: the first seed", wholeNumber(0, 2 ** 31)).default(1),
    value("--runs <count>", "with --fuzz: the most runs", wholeNumber(1, 2 ** 31)).default(100),
    value("--steps <count>", "with --fuzz: steps of a run", wholeNumber(1, 10_000)).default(40),
    text("--registers <file>", "with --fuzz: which registers make the device do DMA (JSON)"),
    flag("--sample", "the sample device mailbox-dma, in this process, instead of a socket"),
    text("--mistake <name>", "of the sample device").choices([...MAILBOX_MISTAKES]),
    text("--server <name>", "of the sample device: which server to be").choices(Object.keys(SERVER_PROFILES)),
    flag("--pipelined", "send commands without waiting for the reply to the one before"),
    flag(
      "--pass-files",
      "pass files along with messages: interrupts, and a second connection for DMA (needs python3 from 3.10 on)",
    ),
    value(
      "--timeout <seconds>",
      "how long a command may take (default: 5, or 30 for mappings and reset)",
      wholeNumber(1, 3600),
    ),
    ...answerOptions(),
    quietOption("print the answer only, nothing on standard error"),
  ],
  examples: [
    "device /run/nvme.sock",
    "device /run/nvme.sock --script driver.jsonl",
    "device /run/nvme.sock --fuzz --registers nvme.json --seed 7 > finding.jsonl",
    "device --sample --fuzz --mistake keeps-translation",
  ],
  run: device,
});
