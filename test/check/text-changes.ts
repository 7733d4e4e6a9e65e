import type { Random } from "../helpers/random.ts";

/**
 * What happens to a recording on its way to us, and changes nothing in what it tells: it is printed on a console, kept
 * by a logger, mailed, coloured, mixed with other lines; or it was made on a machine with other addresses and names.
 *
 * @module
 */

/** The lines of a recording, each with the line of the original in which it began. */
export interface ChangedText {
  readonly lines: readonly string[];
  /** Number of the original line, from 1, of each line; 0 of what was put between. */
  readonly from: readonly number[];
}

type Change = (text: ChangedText, random: Random) => ChangedText;

const mapLines = (text: ChangedText, change: (line: string) => string): ChangedText => ({
  ...text,
  lines: text.lines.map(change),
});

/** Lines that are no evidence of anything. */
const OTHER_LINES: readonly string[] = [
  "",
  "x",
  "Starting udev Wait for Complete Device Initialization...",
  "[  OK  ] Reached target Multi-User System.",
  "          <idle>-0       [000] d.h..     7.400000: sched_switch: prev_comm=a prev_pid=1 ==> next_comm=b next_pid=2",
  "[    7.412345] e1000 0000:00:03.0 eth0: NIC Link is Up 1000 Mbps Full Duplex, Flow Control: RX",
  "login: ",
  "spapr_drc_reset drc: 0x1",
  "the driver calls dma_map_page and then spapr_iommu_xlate",
  "dma_buf_get 1",
  "100%[=============>] 12.3M",
  "\u0000\u0000",
  "\u00e4\u00f6\u00fc \u65e5\u672c",
];

const otherLines: Change = ({ lines, from }, random) => {
  const out: { line: string; from: number }[] = [];
  lines.forEach((line, i) => {
    while (random.below(6) === 0) out.push({ line: random.pick(OTHER_LINES), from: 0 });
    out.push({ line, from: from[i]! });
  });
  return { lines: out.map(({ line }) => line), from: out.map((one) => one.from) };
};

/** What stands before each line. */
const PREFIXES: readonly string[] = [
  "[    1.234567] ",
  "[    1.234567][    T0] ",
  "<6>[    1.234567] ",
  "Nov 27 22:13:24 host kernel: ",
  "Nov 27 22:13:24 host qemu-system-ppc64[4711]: ",
  "2026-11-27T22:13:24.000001+01:00 host kernel: ",
  "2026-11-27T22:13:24+0100 host kernel: ",
  "2026-11-27 22:13:24.627+0000: ",
  "2026-11-27T22:13:24.627005123Z ",
  "> ",
  "> > ",
  "    ",
  "\t",
  "qemu-1  | ",
  "Nov 27 22:13:24 ",
  "[    1.234567] host kernel: ",
  "[    1.234567 <    0.000123>] ",
  "[Fri Nov 27 22:13:24 2026] ",
  "kern  :info  : [    1.234567] ",
  "Fri 2026-11-27 22:13:24 UTC host kernel: ",
  "1795820252.848947 host kernel: ",
  "<6>1 2026-11-27T22:13:24.627Z host kernel - - - ",
  "2026-11-27T22:13:24.627005123Z stdout F ",
  "[pod/guest-0/qemu] 2026-11-27T22:13:24.627005123Z ",
  "MESSAGE=",
  "[2026-11-27T22:13:24.627Z] ",
  "11-27 22:13:24.627  1234  1234 I kernel  : ",
];

const prefixes: Change = (text, random) => {
  const prefix = random.pick(PREFIXES);
  return mapLines(text, (line) => prefix + line);
};

/** Loggers that write an object a line. */
const json: Change = (text, random) => {
  const carry = random.pick<(line: string) => string>([
    (line) => JSON.stringify({ __REALTIME_TIMESTAMP: "1795820252848947", MESSAGE: line, _PID: "1" }),
    (line) => JSON.stringify({ log: `${line}\n`, stream: "stdout", time: "2026-11-27T22:13:24.627005123Z" }),
    (line) => JSON.stringify({ MESSAGE: [...new TextEncoder().encode(line)] }),
    (line) => `\t"MESSAGE" : ${JSON.stringify(line)},`,
    (line) => `  "message": ${JSON.stringify(line)},`,
    (line) => JSON.stringify({ line, timestamp: "2026-11-27T22:13:24.627Z" }),
    (line) => JSON.stringify({ _index: "logs", _source: { log: { offset: 1 }, message: line } }),
  ]);
  return mapLines(text, carry);
};

const returns: Change = (text, random) => {
  const end = random.pick(["\r", "\r\r", " \r"]);
  return mapLines(text, (line) => line + end);
};

const colours: Change = (text, random) => {
  const ways: readonly ((line: string) => string)[] = [
    (line) => `\u001b[32m${line}\u001b[0m`,
    (line) => `\u001b[1;31m\u001b[K${line}\u001b[m\u001b[K`,
    (line) => line.replace(/(dma_|spapr_|io_page_fault|AMD-Vi)/, "\u001b[01;31m\u001b[K$1\u001b[m\u001b[K"),
  ];
  return mapLines(text, random.pick(ways));
};

/** Web pages, tables and lists have other blanks, and write some letters as names. */
const shown: Change = (text, random) => {
  const show = random.pick<(line: string) => string>([
    (line) => line.replace(/ +/g, "\t"),
    (line) => line.replace(/ +/g, "   "),
    (line) => line.replace(/ /g, "\u00a0"),
    (line) =>
      `<span class="line">${line.replace(/&/g, "&#38;").replace(/</g, "&#60;").replace(/ /g, "&nbsp;")}</span>`,
    (line) => `${line}^M`,
    (line) => `${line}$`,
    (line) => line.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;"),
  ]);
  return mapLines(text, show);
};

/** grep puts the file's name and the number of the line before it. */
const grep: Change = (text) => ({
  ...text,
  lines: text.lines.map((line, i) => `trace.txt:${i + 1}:${line}`),
});

const MAILED_WIDTH = 76;

/** Mailers break lines at blanks, and answers have a mark before each of them. */
const mailed: Change = ({ lines, from }, random) => {
  const width = MAILED_WIDTH + random.below(40);
  const quote = random.pick(["", "> ", "> > "]);
  const out: { line: string; from: number }[] = [];
  lines.forEach((line, i) => {
    (line.match(new RegExp(`.{1,${width}}(?= |$)|\\S+`, "g")) ?? [line]).forEach((piece, part) => {
      out.push({ line: quote + (part === 0 ? piece : piece.trimStart()), from: part === 0 ? from[i]! : 0 });
    });
  });
  return { lines: out.map(({ line }) => line), from: out.map((one) => one.from) };
};

/** Of a log of QEMU: what the guest's console was printing stands before an event, on its line. */
const consoleText: Change = (text, random) =>
  mapLines(text, (line) =>
    line.startsWith("spapr_iommu_") && random.below(4) === 0
      ? random.pick(["[    0.0", "login: ", "Loading, please wait...", "ok\r", ". "]) + line
      : line,
  );

/** A change of names or addresses, and how to tell them by the old ones. */
export interface Translation {
  readonly change: (line: string) => string;
  readonly device: (name: string) => string;
  readonly liobn: (liobn: number) => number;
  readonly ioba: (address: bigint) => bigint;
}

/** Nothing is called otherwise. */
export const SAME: Translation = {
  change: (line) => line,
  device: (name) => name,
  liobn: (liobn) => liobn,
  ioba: (address) => address,
};

/** Functions of PCI devices become those of another domain. */
function renamed(random: Random): Translation {
  const domain = 1 + random.below(0xfff0);
  const move = (name: string, by: number): string =>
    name.replace(/\b([0-9a-f]{4})(?=:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])/g, (digits) =>
      ((Number.parseInt(digits, 16) + by) & 0xffff).toString(16).padStart(4, "0"),
    );
  const bridges = (line: string): string =>
    line.replace(/\bPHB#([0-9a-f]+)/g, (_all, digits) => {
      return `PHB#${((Number.parseInt(digits, 16) + domain) & 0xffff).toString(16)}`;
    });
  return { ...SAME, change: (line) => bridges(move(line, domain)), device: (name) => move(name, -domain) };
}

const ALL_ONES = 2n ** 64n - 1n;
/** The address of what could not be mapped stays as it is. */
const plus = (value: bigint, by: bigint): bigint =>
  value === ALL_ONES ? value : BigInt.asUintN(64, value + by);
const hexPlus = (digits: string, by: bigint): string => plus(BigInt(`0x${digits}`), by).toString(16);

/** Linux: bus addresses and memory lie elsewhere. Faults, ranges of the IOMMU and bounces tell them, too. */
function shifted(random: Random): Translation {
  const bus = BigInt(1 + random.below(1000)) << 32n;
  const memory = BigInt(1 + random.below(1000)) << 36n;
  const list = (text: string, by: bigint): string =>
    text.replace(/0x([0-9a-f]+)/g, (_all, digits) => `0x${hexPlus(digits, by)}`);
  return {
    ...SAME,
    change: (line) =>
      line
        // An allocation that failed has no address.
        .replace(/\bdma_addr=([0-9a-f]+)(?!.* virt_addr=(?:0x)?0+ )/g, (_all, digits) => {
          return `dma_addr=${hexPlus(digits, bus)}`;
        })
        .replace(/\bphys_addr=([0-9a-f]+)/g, (_all, digits) => `phys_addr=${hexPlus(digits, memory)}`)
        .replace(/\bdma_addrs=\{([^}]*)\}/g, (_all, items) =>
          // Lists that failed have addresses of memory there.
          /_err:/.test(line) ? `dma_addrs={${list(items, memory)}}` : `dma_addrs={${list(items, bus)}}`,
        )
        .replace(/\bphys_addrs=\{([^}]*)\}/g, (_all, items) => `phys_addrs={${list(items, memory)}}`)
        .replace(/\b(address|fault addr|iova)(=| )0x([0-9a-f]+)/g, (_all, name, sign, digits) => {
          return `${name}${sign}0x${hexPlus(digits, bus)}`;
        }),
    ioba: (address) => plus(address, -bus),
  };
}

/** QEMU: all bridges have other indexes, and with these other LIOBNs and BUIDs. */
function otherBridges(random: Random): Translation {
  // QEMU has 31 at most.
  const by = 1 + random.below(20);
  const isOfBridge = (liobn: number): boolean => liobn >>> 28 === 8;
  return {
    ...SAME,
    change: (line) =>
      line
        .replace(/\bliobn=(0x)?(8[0-9a-f]{7})\b/g, (_all, mark = "", digits) => {
          return `liobn=${mark}${(Number.parseInt(digits, 16) + by * 0x100).toString(16)}`;
        })
        .replace(/\bbuid=0x([0-9a-f]+)/g, (_all, digits) => `buid=0x${hexPlus(digits, BigInt(by))}`),
    liobn: (liobn) => (isOfBridge(liobn) ? liobn - by * 0x100 : liobn),
  };
}

/** A recording, changed. */
export interface Changed extends ChangedText {
  readonly names: readonly string[];
  readonly told: Translation;
}

/** Has each event its addresses in the way in which the kernel prints them, so that they can be shifted? */
const isUsualForm = (lines: readonly string[]): boolean =>
  lines.every(
    (line) => !/\bdma_(map|unmap|alloc|free)_?\w*[:(]/.test(line) || /_addrs?=(\{|[0-9a-f]+ )/.test(line),
  );

/** Have events their names before the place where a mailer breaks their lines? */
const namesEarly = (lines: readonly string[]): boolean =>
  lines.every((line) => !/[:)]\s+dma_\w+:/.test(line) || line.search(/dma_\w+:/) < MAILED_WIDTH - 24);

/** Is a line that names an event broken in two? */
const isBroken = (lines: readonly string[]): boolean => lines.some((line) => /: dma_\w+: [^=]*$/.test(line));

/** Changes a recording in some ways. */
export function changeText(original: readonly string[], isQemu: boolean, random: Random): Changed {
  const names: string[] = [];
  let told = SAME;
  let text: ChangedText = { lines: original, from: original.map((_line, i) => i + 1) };
  const translations: Record<string, (random: Random) => Translation> = isQemu
    ? { otherBridges }
    : { renamed, ...(isUsualForm(original) ? { shifted } : {}) };
  const changes: Record<string, Change> = isQemu
    ? { otherLines, consoleText, shown, grep, colours, prefixes, returns, json }
    : { ...(isBroken(original) ? {} : { otherLines }), shown, colours, prefixes, returns, json };
  for (const [name, translate] of Object.entries(translations)) {
    if (random.below(3) > 0) continue;
    const next = translate(random);
    const before = told;
    names.push(name);
    text = mapLines(text, next.change);
    told = {
      change: next.change,
      device: (device) => before.device(next.device(device)),
      liobn: (liobn) => before.liobn(next.liobn(liobn)),
      ioba: (address) => before.ioba(next.ioba(address)),
    };
  }
  const chosen = Object.entries<Change>(changes).filter(() => random.below(2) === 0);
  // What a mailer broke nobody prints on a console any more.
  if (!isBroken(original) && namesEarly(original) && random.below(6) === 0)
    chosen.splice(0, chosen.length, ["mailed", mailed]);
  for (const [name, change] of chosen.length > 0 ? chosen : [random.pick(Object.entries(changes))]) {
    names.push(name);
    text = change(text, random);
  }
  return { ...text, names, told };
}
