/**
 * The forms in which tools print one recording of Linux' events, and in which loggers keep it. Each was seen, or is what
 * its tool's manual says.
 *
 * @module
 */

/** An event as the kernel's `trace` prints it, in pieces. */
export interface Row {
  readonly task: string;
  readonly pid: number;
  readonly cpu: number;
  readonly flags: string;
  readonly seconds: number;
  readonly microseconds: number;
  readonly name: string;
  /** What stands behind the name. */
  readonly rest: string;
}

/** What a form tells of who made an event, and when. */
type Origin = "task" | "pid" | "cpu" | "time";

export interface Form {
  readonly name: string;
  readonly tells: readonly Origin[];
  readonly print: (rows: readonly Row[]) => readonly string[];
}

const LINE = /^ *(.+)-(\d+) +\[(\d+)\] (\S+) +(\d+)\.(\d{6}): (dma_\w+): (.*)$/;

/** Rows of the kernel's text; lines of other things are left out. */
export function rowsOf(text: string): Row[] {
  return text.split("\n").flatMap((line) => {
    const match = LINE.exec(line);
    if (match === null) return [];
    const [, task, pid, cpu, flags, seconds, microseconds, name, rest] = match;
    return {
      task: task!,
      pid: Number(pid),
      cpu: Number(cpu),
      flags: flags!,
      seconds: Number(seconds),
      microseconds: Number(microseconds),
      name: name!,
      rest: rest!,
    };
  });
}

const ALL: readonly Origin[] = ["task", "pid", "cpu", "time"];

const each =
  (line: (row: Row, number: number) => string) =>
  (rows: readonly Row[]): string[] =>
    rows.map(line);

const padded = (value: number | string, width: number): string => `${value}`.padStart(width);
const digits = (value: number, width: number): string => `${value}`.padStart(width, "0");
const time = ({ seconds, microseconds }: Row): string => `${padded(seconds, 5)}.${digits(microseconds, 6)}`;
const cpu = (row: Row): string => `[${digits(row.cpu, 3)}]`;
const text = ({ name, rest }: Row): string => `${name}: ${rest}`;
/** Nanoseconds since boot. */
const ticks = ({ seconds, microseconds }: Row): string => `${seconds * 1e9 + microseconds * 1000}`;

/** What the kernel prints. */
const kernelLine = (row: Row): string =>
  `${padded(row.task, 16)}-${`${row.pid}`.padEnd(7)} ${cpu(row)} ${row.flags} ${padded(time(row), 12)}: ${text(row)}`;

const traceCmdLine = (row: Row, between = ""): string =>
  `${padded(row.task, 16)}-${`${row.pid}`.padEnd(5)} ${cpu(row)} ${padded(time(row), 12)}: ${between}${`${row.name}:`.padEnd(21)} ${row.rest}`;

/** Columns of `perf script`, in its order. */
const PERF_COLUMNS: Readonly<Record<string, (row: Row) => string>> = {
  comm: ({ task }) => `${padded(task, 16)} `,
  "pid,tid": ({ pid }) => `${padded(pid, 7)}/${`${pid}`.padEnd(7)} `,
  tid: ({ pid }) => `${padded(pid, 7)} `,
  cpu: (row) => `${cpu(row)} `,
  misc: () => "K     ",
  time: (row) => `${padded(time(row), 12)}: `,
  ns: (row) => `${padded(time(row), 12)}000: `,
  period: () => `${padded(1, 10)} `,
};

const perf = (columns: readonly string[], after = ""): Form => ({
  name: `perf script -F ${columns.join(",")}${after === "" ? "" : ",ip,sym"}`,
  tells: [
    ...(columns.includes("comm") ? (["task"] as const) : []),
    ...(columns.some((column) => column.endsWith("tid")) ? (["pid"] as const) : []),
    ...(columns.includes("cpu") ? (["cpu"] as const) : []),
    ...(columns.includes("time") || columns.includes("ns") ? (["time"] as const) : []),
  ],
  print: each((row) => {
    const before = columns.map((column) => PERF_COLUMNS[column]!(row)).join("");
    return `${before}${padded(`dma:${row.name}`, 30)}: ${row.rest}${after}`;
  }),
});

/** Each set of the usual columns. */
const PERF_SETS = ["comm", "tid", "cpu", "time"].reduce<string[][]>(
  (sets, column) => sets.flatMap((set) => [set, [...set, column]]),
  [[]],
);

const tool: readonly Form[] = [
  { name: "trace", tells: ALL, print: each(kernelLine) },
  {
    name: "trace, latency-format with the clock of microseconds",
    tells: ALL,
    print: each(
      (row) =>
        `${padded(row.task, 8)}-${`${row.pid}`.padEnd(7)} ${padded(row.cpu, 3)}${row.flags} ${row.seconds * 1e6 + row.microseconds}us : ${text(row)}`,
    ),
  },
  {
    name: "trace, latency-format and verbose",
    tells: ALL,
    print: each((row) => {
      const milliseconds = `${row.seconds * 1000 + Math.floor(row.microseconds / 1000)}.${digits(row.microseconds % 1000, 3)}`;
      return `${padded(row.task, 16)} ${padded(row.pid, 7)} ${padded(row.cpu, 3)} 0 00000000 00000032 [0409cf16] ${milliseconds}ms (+0.053ms): ${text(row)}`;
    }),
  },
  {
    name: "trace of a clock that counts",
    tells: ["task", "pid", "cpu"],
    print: each(
      (row) =>
        `${padded(row.task, 16)}-${`${row.pid}`.padEnd(7)} ${cpu(row)} ${row.flags} ${padded(ticks(row), 12)}: ${text(row)}`,
    ),
  },
  {
    name: "function_graph",
    tells: ["cpu"],
    print: (rows) => [
      "# CPU  DURATION                  FUNCTION CALLS",
      ...rows.flatMap((row) => [
        ` ${row.cpu})               |  dma_map_page_attrs() {`,
        ` ${row.cpu})               |    /* ${text(row)} */`,
        ` ${row.cpu}) + 77.228 us   |  }`,
      ]),
    ],
  },
  {
    name: "function_graph with absolute time and process",
    tells: ALL,
    print: each(
      (row) =>
        `  ${time(row)} |   ${row.cpu})  ${row.task}-${row.pid}   |               |  /* ${text(row)} */`,
    ),
  },
  {
    name: "trace-cmd report",
    tells: ALL,
    print: (rows) => ["cpus=2", ...rows.map((row) => traceCmdLine(row))],
  },
  {
    name: "trace-cmd report -t",
    tells: ALL,
    print: each((row) => traceCmdLine(row).replace(/(\.\d{6}):/, "$1000:")),
  },
  { name: "trace-cmd report --ts-diff", tells: ALL, print: each((row) => traceCmdLine(row, "(+37)   ")) },
  {
    name: "trace-cmd report --debug",
    tells: ALL,
    print: (rows) =>
      rows.flatMap((row, i) => [
        ...(i % 7 === 0 ? [`CPU:${row.cpu} [SUBBUFFER START] [${ticks(row)}:0x1000]`] : []),
        `${traceCmdLine(row)} [${i * 37}:0x${(16 + i).toString(16)}:72]`,
      ]),
  },
  {
    name: "trace-cmd report of a clock that counts, glued to the CPU",
    tells: ["task", "pid", "cpu"],
    print: each(
      (row) => `${padded(row.task, 16)}-${`${row.pid}`.padEnd(5)} ${cpu(row)}${ticks(row)}: ${text(row)}`,
    ),
  },
  {
    name: "trace-cmd report of a clock that counts, glued to the flags",
    tells: ["task", "pid", "cpu"],
    print: each(
      (row) =>
        `${padded(row.task, 16)}-${`${row.pid}`.padEnd(5)} ${cpu(row)} ${row.flags}${ticks(row)}: ${text(row)}`,
    ),
  },
  {
    name: "trace-cmd report -l of a clock that counts",
    tells: ["task", "pid", "cpu"],
    print: each(
      (row) =>
        `${padded(row.task, 8)}-${`${row.pid}`.padEnd(5)} ${padded(row.cpu, 3)}${row.flags}${ticks(row)}: ${text(row)}`,
    ),
  },
  {
    name: "trace-cmd report of a file with an instance, the same events in both",
    tells: ALL,
    print: (rows) => rows.flatMap((row) => [traceCmdLine(row), `second: ${traceCmdLine(row)}`]),
  },
  {
    name: "trace-cmd report -i FILE -i FILE",
    tells: ALL,
    print: (rows) => [
      "612-a.dat: cpus=2",
      "612-b.dat: cpus=2",
      ...rows.map((row) => `612-a.dat: ${traceCmdLine(row)}`),
      "612-b.dat: CPU:0 [3 EVENTS DROPPED]",
      ...rows.map((row) => `612-b.dat: ${traceCmdLine(row)}`),
    ],
  },
  {
    name: "trace-cmd report --debug of two buffers, whose first lines have no name",
    tells: ALL,
    print: (rows) => [
      ...rows.map((row) => traceCmdLine(row)),
      ...rows.flatMap((row) => [`second: CPU:${row.cpu} [SUBBUFFER START] [1:0x4000]`, traceCmdLine(row)]),
    ],
  },
  ...PERF_SETS.map((columns) => perf(columns)),
  perf(["comm", "pid,tid", "cpu", "time"]),
  perf(["pid,tid", "cpu", "time"]),
  perf(["comm", "tid", "cpu", "ns"]),
  perf(["comm", "tid", "cpu", "time", "period"]),
  perf(["cpu", "period"]),
  perf(["comm", "tid", "cpu", "misc", "time"]),
  perf(["comm", "tid", "cpu", "time"], " ffffffff9878c257 dma_map_page_attrs+0x117 ([kernel.kallsyms])"),
  {
    name: "perf trace --libtraceevent_print",
    tells: ["task", "pid", "time"],
    print: each((row) => {
      const milliseconds = `${row.seconds * 1000 + Math.floor(row.microseconds / 1000)}.${digits(row.microseconds % 1000, 3)}`;
      return `${padded(milliseconds, 10)} ${row.task}/${row.pid} dma:${row.name}(${row.rest})`;
    }),
  },
  {
    name: "perf trace with system calls",
    tells: ["task", "pid", "time"],
    print: each((row) => {
      const milliseconds = `${row.seconds * 1000 + Math.floor(row.microseconds / 1000)}.${digits(row.microseconds % 1000, 3)}`;
      return `${padded(milliseconds, 10)} (         ): ${row.task}/${row.pid} dma:${row.name}(${row.rest})`;
    }),
  },
];

/** What stands before each line, or around it. */
const carriers: Readonly<Record<string, (line: string, number: number) => string>> = {
  "a console": (line, i) => `[${padded(i, 5)}.123456] ${line}\r`,
  "a console with the number of the thread": (line) => `[    1.234567][    T0] ${line}`,
  "dmesg -r": (line) => `<6>[    1.234567] ${line}`,
  "dmesg -x": (line) => `kern  :info  : [    1.234567] ${line}`,
  "dmesg -d": (line) => `[    1.234567 <    0.000123>] ${line}`,
  "dmesg -e": (line, i) => `${i === 0 ? "[Nov27 22:13]" : "[  +0.000123]"} ${line}`,
  "dmesg -T": (line) => `[Fri Nov 27 22:13:24 2026] ${line}`,
  "dmesg --time-format iso": (line) => `2026-11-27T22:13:24,627005+01:00 ${line}`,
  syslog: (line) => `Nov  7 22:13:24 host kernel: [    1.234567] ${line}`,
  "syslog of RFC 5424": (line) => `<6>1 2026-11-27T22:13:24.627005Z host kernel - - - ${line}`,
  "rsyslog's own format": (line) => `2026-11-27T22:13:24.627005+01:00 host kernel: ${line}`,
  "journalctl -o short-precise": (line) => `Nov 27 22:13:24.627005 host kernel: ${line}`,
  "journalctl --no-hostname": (line) => `Nov 27 22:13:24 kernel: ${line}`,
  "journalctl -o short-iso": (line) => `2026-11-27T22:13:24+0100 host qemu[4711]: ${line}`,
  "journalctl -o short-full": (line) => `Fri 2026-11-27 22:13:24 UTC host kernel: ${line}`,
  "journalctl -o short-monotonic": (line) => `[    1.234567] host kernel: ${line}`,
  "journalctl -o short-delta": (line) => `[    1.234567 <    0.000123 >] host kernel: ${line}`,
  "journalctl -o short-unix": (line) => `1795820252.848947 host kernel: ${line}`,
  "journalctl -o verbose": (line) => `    MESSAGE=${line}`,
  "journalctl -o json": (line) =>
    JSON.stringify({
      _TRANSPORT: "kernel",
      __REALTIME_TIMESTAMP: "1795820252848947",
      MESSAGE: line,
      _PID: "1",
    }),
  "journalctl -o json of a line with colours": (line) =>
    JSON.stringify({ MESSAGE: [...new TextEncoder().encode(`\u001b[32m${line}\u001b[0m`)], PRIORITY: "6" }),
  "journalctl -o json-seq": (line) => `\u001e${JSON.stringify({ MESSAGE: line })}`,
  "journalctl -o json-sse": (line) => `data: ${JSON.stringify({ MESSAGE: line })}`,
  "journalctl -o json-pretty": (line) => `\t"MESSAGE" : ${JSON.stringify(line)},`,
  "docker's files": (line) =>
    JSON.stringify({ log: `${line}\r\n`, stream: "stdout", time: "2026-11-27T22:13:24.627005123Z" }),
  "containers' files (CRI)": (line) => `2026-11-27T22:13:24.627005123Z stdout F ${line}`,
  "kubectl logs -t": (line) => `2026-11-27T22:13:24.627005123Z ${line}`,
  "kubectl logs --prefix -t": (line) => `[pod/guest-0/qemu] 2026-11-27T22:13:24.627005123Z ${line}`,
  "docker compose logs": (line) => `guest-1  | ${line}`,
  ts: (line) => `Nov 27 22:13:24 ${line}`,
  "a build server": (line) => `[2026-11-27T22:13:24.627Z] ${line}`,
  "an answer to a mail": (line) => `> > ${line}`,
  "no logger that is known": (line) => `vm-7/serial0: ${line}`,
  "a shell with colours": (line) => `\u001b[1;31m\u001b[K${line}\u001b[m\u001b[K`,
};

/** Forms that are kept by loggers: those whose task is in columns, and one of each other kind. */
const KEPT = [
  "trace",
  "trace-cmd report",
  "perf script -F comm,tid,cpu,time",
  "perf trace --libtraceevent_print",
];

export const FORMS: readonly Form[] = [
  ...tool,
  ...Object.entries(carriers).flatMap(([carrier, carry]) =>
    tool
      .filter(({ name }) => KEPT.includes(name))
      .map((form) => ({
        name: `${form.name}, kept by ${carrier}`,
        tells: form.tells,
        print: (rows: readonly Row[]) => form.print(rows).map(carry),
      })),
  ),
];
