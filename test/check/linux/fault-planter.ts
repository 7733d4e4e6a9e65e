import type { Random } from "../../helpers/random.ts";

/** What must be found, and nothing else: kind, device, number, and lines that the finding names, the first and the last. */
export interface PlantedFinding {
  readonly kind: string;
  readonly device: string;
  readonly count: number;
  readonly message: RegExp;
  readonly lines: readonly number[];
  /** The function that made the mapping, by the call stack. */
  readonly caller?: string;
}

/** A recording, a log of its own if its faults stand there, and what is wrong. */
export interface PlantedRecording {
  readonly text: string;
  readonly log: string | undefined;
  readonly planted: readonly PlantedFinding[];
  /** Buffers that bounced. */
  readonly bounced: number;
}

const NIC = "0000:00:03.0";
const DISK = "0001:01:00.0";
const PAGE = 0x1000;
const RING = 32;

interface Made {
  readonly address: number;
  readonly size: number;
  readonly direction: string;
  readonly line: number;
  readonly physical: number;
}

/** Writes the recording of a NIC and a disk at work, line by line. */
class Recorder {
  readonly lines: string[] = [];
  readonly log: string[] = [];
  readonly random: Random;
  /** Does the kernel's log stand in a file of its own? */
  readonly isLogApart: boolean;
  /** The function that calls the DMA API, if events have call stacks. */
  caller: string | undefined;
  #time = 10_000_000;
  #next = 0x10_0000;
  #physical = 0x4000_0000;

  constructor(random: Random, isLogApart: boolean) {
    this.random = random;
    this.isLogApart = isLogApart;
  }

  get time(): string {
    return `${Math.floor(this.#time / 1e6)}.${String(this.#time % 1e6).padStart(6, "0")}`;
  }

  event(task: string, text: string): number {
    this.#time += 1 + this.random.below(400);
    const cpu = this.random.below(2);
    const origin = (): string => `${task.padStart(16)} [00${cpu}] ..... ${this.time}: `;
    const line = this.lines.push(`${origin()}${text}`);
    if (this.caller === undefined) return line;
    this.#time++;
    const name = text.slice(0, text.indexOf(":"));
    // Where it came from says nothing of who called.
    const outer = ["asm_sysvec_apic_timer_interrupt", "do_idle", "ret_from_fork"].slice(this.random.below(3));
    const frames = [`${name}_attrs`, this.caller, "nic_work", "process_one_work", "worker_thread", ...outer];
    this.lines.push(`${origin()}<stack trace>`, ...frames.map((frame) => ` => ${frame}`));
    return line;
  }

  /** Nothing happens for a while. */
  sleep(microseconds: number): void {
    this.#time += microseconds;
  }

  /** A line of the kernel's log; its number in the recording, or 0 if it stands in the log of its own. */
  kernel(text: string): number {
    this.#time += 1 + this.random.below(400);
    const line = `[${this.time.padStart(12)}] ${text}`;
    if (!this.isLogApart) return this.lines.push(line);
    this.log.push(line);
    return 0;
  }

  /** A fresh address, with unmapped pages behind what lies there, farther than any overrun looks. */
  address(size: number): number {
    const at = this.#next;
    this.#next += Math.ceil(size / PAGE) * PAGE + 0x2_0000;
    return at;
  }

  map(task: string, device: string, direction: string, size: number): Made {
    const address = this.address(size);
    this.#physical += 0x1_0000;
    const physical = this.#physical;
    const line = this.event(
      task,
      `dma_map_page: ${device} dir=${direction} dma_addr=${address.toString(16)} size=${size} phys_addr=${physical.toString(16)} attrs=`,
    );
    return { address, size, direction, line, physical };
  }

  unmap(task: string, device: string, { address, size, direction }: Made): number {
    return this.event(
      task,
      `dma_unmap_page: ${device} dir=${direction} dma_addr=${address.toString(16)} size=${size} attrs=`,
    );
  }

  alloc(task: string, device: string, size: number): Made {
    const address = this.address(size);
    const line = this.event(
      task,
      `dma_alloc: ${device} dma_addr=${address.toString(16)} size=${size} virt_addr=00000000${(address + 7).toString(16)} flags=GFP_KERNEL attrs=`,
    );
    return { address, size, direction: "", line, physical: 0 };
  }

  free(task: string, device: string, { address, size }: Made): number {
    return this.event(
      task,
      `dma_free: ${device} dma_addr=${address.toString(16)} size=${size} virt_addr=00000000${(address + 7).toString(16)} attrs=`,
    );
  }

  /** A fault in one of the forms in which it is told; SMMUs of version 2 name no device. */
  fault(device: string, address: number, access: "read" | "write"): number {
    const at = address.toString(16);
    const wide = at.padStart(16, "0");
    const flags = access === "write" ? 1 : 0;
    const amd = access === "write" ? "0x0020" : "0x0050";
    const forms: (() => number)[] = [
      () =>
        this.kernel(
          `nic ${device}: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0011 address=0x${at} flags=${amd}]`,
        ),
      () =>
        this.kernel(
          `AMD-Vi: Event logged [IO_PAGE_FAULT device=${device.slice(5)} domain=0x0011 address=0x${at} flags=${amd}]`,
        ),
      () =>
        this.kernel(
          `DMAR: [DMA ${access === "write" ? "Write" : "Read"} NO_PASID] Request device [${device.slice(5)}] fault addr 0x${at} [fault reason 0x05] PTE access is not set`,
        ),
    ];
    if (!this.isLogApart) {
      forms.push(() =>
        this.event(
          "irq/29-AMD-Vi-140",
          `io_page_fault: IOMMU:nic ${device} iova=0x${wide} flags=0x000${flags}`,
        ),
      );
    }
    return this.random.pick(forms)();
  }
}

/** Does ordinary work: receive buffers come and go, packets are sent, a ring is there. */
class Work {
  readonly ring: Made;
  readonly receive: Made[] = [];
  readonly #recorder: Recorder;

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
    this.ring = recorder.alloc("modprobe-11", NIC, 4096);
    for (let i = 0; i < RING; i++) this.receive.push(recorder.map("modprobe-11", NIC, "FROM_DEVICE", 2048));
  }

  step(): void {
    const recorder = this.#recorder;
    for (let i = recorder.random.below(4); i >= 0; i--) {
      recorder.unmap("ksoftirqd/0-5", NIC, this.receive.shift()!);
      this.receive.push(recorder.map("ksoftirqd/0-5", NIC, "FROM_DEVICE", 2048));
      const sent = recorder.map("ping-77", NIC, "TO_DEVICE", 100 + recorder.random.below(1400));
      recorder.unmap("ksoftirqd/0-5", NIC, sent);
    }
  }

  /** The driver goes, and gives everything back. */
  remove(): void {
    const recorder = this.#recorder;
    for (const one of this.receive) recorder.unmap("rmmod-99", NIC, one);
    recorder.free("rmmod-99", NIC, this.ring);
  }
}

type Plant = (recorder: Recorder, work: Work, planted: PlantedFinding[]) => void;

/** Lines of the recording; one in a log of its own is none. */
const known = (...lines: number[]): number[] => lines.filter((line) => line > 0);

const fault = (device: string, message: RegExp, lines: number[], count = 1): PlantedFinding => ({
  kind: "io-fault",
  device,
  count,
  message,
  lines: known(...lines),
});

const afterUnmap: Plant = (recorder, work, planted) => {
  const made = recorder.map(
    "ping-77",
    NIC,
    recorder.random.pick(["TO_DEVICE", "FROM_DEVICE"]),
    1 + recorder.random.below(9000),
  );
  const unmap = recorder.unmap("ksoftirqd/0-5", NIC, made);
  work.step();
  const offset = recorder.random.below(made.size);
  const line = recorder.fault(NIC, made.address + offset, made.direction === "TO_DEVICE" ? "read" : "write");
  const message = new RegExp(
    `byte 0x${offset.toString(16)} of .* after its unmap by event .* of ksoftirqd/0-5`,
  );
  planted.push(fault(NIC, message, [made.line, unmap, line]));
};

const overrun: Plant = (recorder, _work, planted) => {
  const pages = 1 + recorder.random.below(4);
  const made = recorder.map("ping-77", NIC, "FROM_DEVICE", pages * PAGE);
  const beyond = recorder.random.below(PAGE);
  const line = recorder.fault(NIC, made.address + made.size + beyond, "write");
  recorder.unmap("ksoftirqd/0-5", NIC, made);
  planted.push(fault(NIC, new RegExp(`overran that by ${beyond + 1} bytes?\\b`), [made.line, line]));
};

const wrongDirection: Plant = (recorder, work, planted) => {
  const isWrite = recorder.random.below(2) === 0;
  const made = recorder.map(
    "ping-77",
    NIC,
    isWrite ? "TO_DEVICE" : "FROM_DEVICE",
    512 + recorder.random.below(9000),
  );
  work.step();
  const line = recorder.fault(
    NIC,
    made.address + recorder.random.below(made.size),
    isWrite ? "write" : "read",
  );
  recorder.unmap("ksoftirqd/0-5", NIC, made);
  planted.push(fault(NIC, /does not allow the device to (read|write)/, [made.line, line]));
};

const neverMapped: Plant = (recorder, work, planted) => {
  const hole = recorder.address(0x4_0000) + 0x2_0000;
  const line = recorder.fault(NIC, hole, "read");
  work.step();
  planted.push(fault(NIC, /which nothing mapped before/, [line]));
};

const otherDevice: Plant = (recorder, _work, planted) => {
  const made = recorder.map("dd-50", DISK, "FROM_DEVICE", 4096);
  const line = recorder.fault(NIC, made.address + 8, "write");
  recorder.unmap("kworker/0:1-9", DISK, made);
  planted.push(fault(NIC, /which is mapped for 0001:01:00.0/, [made.line, line]));
};

/** The device writes back descriptors into a ring that was given back. */
const staleRing: Plant = (recorder, _work, planted) => {
  const ring = recorder.alloc("kworker/3:1-8", NIC, 4096);
  const free = recorder.free("kworker/3:1-8", NIC, ring);
  const count = 3 + recorder.random.below(20);
  const lines = Array.from({ length: count }, (_, i) =>
    recorder.fault(NIC, ring.address + 0x40 + i * 16, "write"),
  );
  const message = new RegExp(`${count} faults .*, 16 bytes apart.*descriptors of a ring`);
  planted.push(fault(NIC, message, [ring.line, free, ...lines], count));
};

const failedList: Plant = (recorder, _work, planted) => {
  const lines = Array.from({ length: 1 + recorder.random.below(5) }, () =>
    recorder.event(
      "dd-50",
      `dma_map_sg_err: ${DISK} dir=TO_DEVICE dma_addrs={0x123000,0x125000} err=-12 attrs=`,
    ),
  );
  const message = /a list of 2 entries TO_DEVICE \(dma_map_sg_err, ENOMEM\)/;
  planted.push({ kind: "map-failed", device: DISK, count: lines.length, message, lines });
};

const PLANTS: readonly Plant[] = [
  afterUnmap,
  overrun,
  wrongDirection,
  neverMapped,
  otherDevice,
  staleRing,
  failedList,
];

/** A driver that goes and leaves some of what it had; of a device of its own. */
function leakAtRemoval(recorder: Recorder, planted: PlantedFinding[]): void {
  const { random } = recorder;
  const device = "0002:02:00.0";
  const total = 2 + random.below(random.pick([8, 100, 999]));
  const leaked = 1 + random.below(Math.min(64, total - 1));
  const made = Array.from({ length: total }, () => recorder.alloc("modprobe-700", device, 2048));
  // One is given back at the end, at least.
  const left = new Set<Made>();
  while (left.size < leaked) left.add(random.pick(made));
  for (const one of made) if (!left.has(one)) recorder.free("rmmod-701", device, one);
  const lines = made.filter((one) => left.has(one)).map(({ line }) => line);
  planted.push({ kind: "leak", device, count: leaked, message: /an allocation of 2048 bytes/, lines });
}

/** The same of two functions, which only the call stacks tell apart. */
function leakOfTwoCallers(recorder: Recorder, planted: PlantedFinding[]): void {
  const { random } = recorder;
  const device = "0003:03:00.0";
  const callers = ["nic_alloc_rx_ring", "nic_alloc_tx_ring"];
  const lines: number[][] = [[], []];
  const total = 4 + random.below(60);
  const made = Array.from({ length: total }, (_, i) => {
    recorder.caller = callers[i % 2]!;
    return recorder.alloc("modprobe-800", device, 4096);
  });
  recorder.caller = "nic_free_rings";
  made.forEach((one, i) => {
    if (i > 1 && random.below(3) > 0) recorder.free("rmmod-801", device, one);
    else lines[i % 2]!.push(one.line);
  });
  // At the end the driver gives something back, so that it is gone.
  recorder.free("rmmod-801", device, recorder.alloc("modprobe-800", device, 64));
  recorder.caller = undefined;
  callers.forEach((caller, i) => {
    const message = /an allocation of 4096 bytes/;
    planted.push({ kind: "leak", device, count: lines[i]!.length, message, lines: lines[i]!, caller });
  });
}

/** One of two functions that map alike never has anything unmapped. */
function neverUnmappedByOneCaller(recorder: Recorder, planted: PlantedFinding[]): void {
  const { random } = recorder;
  const device = "0004:04:00.0";
  const count = 64 + random.below(100);
  const lines: number[] = [];
  for (let i = 0; i < count; i++) {
    recorder.caller = "nic_send";
    const sent = Array.from({ length: 1 + random.below(3) }, () =>
      recorder.map("ping-77", device, "TO_DEVICE", 1024 + random.below(1000)),
    );
    recorder.caller = "nic_send_control";
    lines.push(recorder.map("ping-77", device, "TO_DEVICE", 1024 + random.below(1000)).line);
    recorder.caller = "nic_clean";
    for (const one of sent) recorder.unmap("ksoftirqd/0-5", device, one);
    recorder.sleep(20_000);
  }
  recorder.caller = undefined;
  const message = new RegExp(`mappings TO_DEVICE of one caller are never unmapped: ${count} were made`);
  planted.push({ kind: "never-unmapped", device, count, message, lines, caller: "nic_send_control" });
}

/** A recording with some of all that can be planted, each at most once for a cause, or with nothing wrong. */
export function plantFaults(random: Random): PlantedRecording {
  const recorder = new Recorder(random, random.below(2) === 0);
  const work = new Work(recorder);
  const planted: PlantedFinding[] = [];
  let bounced = 0;
  const plants = PLANTS.filter(() => random.below(3) === 0);
  for (const plant of plants) {
    for (let i = random.below(6); i >= 0; i--) work.step();
    plant(recorder, work, planted);
    if (random.below(2) === 0) {
      bounced++;
      const next = recorder.address(0);
      const size = 64 + random.below(2000);
      recorder.event(
        "dd-50",
        `swiotlb_bounced: dev_name: ${DISK} dma_mask=ffffffff dev_addr=12345${next.toString(16)} size=${size} NORMAL`,
      );
      const map = { address: next, size, direction: "TO_DEVICE", line: 0, physical: 0 };
      recorder.event(
        "dd-50",
        `dma_map_page: ${DISK} dir=TO_DEVICE dma_addr=${next.toString(16)} size=${size} phys_addr=12345${next.toString(16)} attrs=`,
      );
      recorder.unmap("kworker/0:1-9", DISK, map);
    }
  }
  if (random.below(3) === 0) leakAtRemoval(recorder, planted);
  if (random.below(4) === 0) leakOfTwoCallers(recorder, planted);
  if (random.below(8) === 0) neverUnmappedByOneCaller(recorder, planted);
  work.step();
  if (random.below(2) === 0) work.remove();
  const { lines, log, isLogApart } = recorder;
  return {
    text: `${lines.join("\n")}\n`,
    log: isLogApart ? `${log.join("\n")}\n` : undefined,
    planted,
    bounced,
  };
}
