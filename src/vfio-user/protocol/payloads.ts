/**
 * The payloads of all messages: their fixed parts. What may follow one is said with it.
 *
 * `argsz` of a request is the largest reply payload that the sender takes; of
 * a reply, what the full payload needs. DMA_MAP and DEVICE_SET_IRQS have no
 * reply payload, and say their own size.
 *
 * @module
 */

import { IommuError } from "../../base/errors.ts";
import { Layout, putU32, putU64, u32At, u64At } from "./layout.ts";

/** Request of DMA_MAP. */
export const DmaMap: Layout<{ argsz: "u32"; flags: "u32"; offset: "u64"; address: "u64"; size: "u64" }> =
  new Layout(
    "DMA_MAP",
    { argsz: "u32", flags: "u32", offset: "u64", address: "u64", size: "u64" },
    {
      read: (bytes, at) => ({
        argsz: u32At(bytes, at),
        flags: u32At(bytes, at + 4),
        offset: u64At(bytes, at + 8),
        address: u64At(bytes, at + 16),
        size: u64At(bytes, at + 24),
      }),
      write({ argsz, flags, offset, address, size }, into, at) {
        putU32(into, at, argsz);
        putU32(into, at + 4, flags);
        putU64(into, at + 8, offset);
        putU64(into, at + 16, address);
        putU64(into, at + 24, size);
      },
    },
  );

/** Request and reply of DMA_UNMAP; a {@link Bitmap} may follow. */
export const DmaUnmap: Layout<{ argsz: "u32"; flags: "u32"; address: "u64"; size: "u64" }> = new Layout(
  "DMA_UNMAP",
  { argsz: "u32", flags: "u32", address: "u64", size: "u64" },
  {
    read: (bytes, at) => ({
      argsz: u32At(bytes, at),
      flags: u32At(bytes, at + 4),
      address: u64At(bytes, at + 8),
      size: u64At(bytes, at + 16),
    }),
    write({ argsz, flags, address, size }, into, at) {
      putU32(into, at, argsz);
      putU32(into, at + 4, flags);
      putU64(into, at + 8, address);
      putU64(into, at + 16, size);
    },
  },
);

/** Flags of DMA_UNMAP. */
export const UnmapFlag = { DIRTY_BITMAP: 1, ALL: 2 } as const;

/** Which pages of a window were written; in a reply the bits follow, in words of 64. */
export const Bitmap: Layout<{ pageSize: "u64"; size: "u64" }> = new Layout("dirty bitmap", {
  pageSize: "u64",
  size: "u64",
});

/** Both ways. */
export const DeviceInfo: Layout<{ argsz: "u32"; flags: "u32"; regions: "u32"; irqs: "u32" }> = new Layout(
  "DEVICE_GET_INFO",
  { argsz: "u32", flags: "u32", regions: "u32", irqs: "u32" },
);

/** Flags of DEVICE_GET_INFO. */
export const DeviceFlag = { RESET: 1, PCI: 2 } as const;

/** Both ways; in a reply capabilities may follow, whose places count from the payload's start. */
export const RegionInfo: Layout<{
  argsz: "u32";
  flags: "u32";
  index: "u32";
  capOffset: "u32";
  size: "u64";
  offset: "u64";
}> = new Layout("DEVICE_GET_REGION_INFO", {
  argsz: "u32",
  flags: "u32",
  index: "u32",
  capOffset: "u32",
  size: "u64",
  offset: "u64",
});

/** Flags of DEVICE_GET_REGION_INFO. */
export const RegionFlag = { READ: 1, WRITE: 2, MMAP: 4, CAPS: 8 } as const;

/** Indexes of a PCI device's regions that are no BARs. */
export const PciRegion = { ROM: 6, CONFIG: 7, VGA: 8 } as const;

const CapabilityHeader: Layout<{ id: "u16"; version: "u16"; next: "u32" }> = new Layout("region capability", {
  id: "u16",
  version: "u16",
  next: "u32",
});
const SparseHead: Layout<{ count: "u32"; reserved: "u32" }> = new Layout("sparse mmap capability", {
  count: "u32",
  reserved: "u32",
});
const SparseArea: Layout<{ offset: "u64"; size: "u64" }> = new Layout("sparse mmap area", {
  offset: "u64",
  size: "u64",
});
const SPARSE_MMAP = 1;
/** A chain of capabilities is not followed any further. */
const MAX_CAPABILITIES = 16;

/**
 * A part of a region that could be mapped, had the message a file.
 *
 * @public
 */
export interface MappableArea {
  readonly offset: bigint;
  readonly size: bigint;
}

/**
 * The areas of the sparse mmap capability in a reply of DEVICE_GET_REGION_INFO; none if there is no such capability.
 *
 * @throws IommuError PEER if capabilities lie outside of the payload, or follow each other without end
 */
export function mappableAreas(body: Uint8Array): MappableArea[] {
  const { flags, capOffset } = RegionInfo.read(body);
  if ((flags & RegionFlag.CAPS) === 0) return [];
  let at = capOffset;
  for (let n = 0; n < MAX_CAPABILITIES && at !== 0; n++) {
    const { id, next } = CapabilityHeader.read(body, at);
    const inside = at + CapabilityHeader.bytes;
    if (id === SPARSE_MMAP) {
      const { count } = SparseHead.read(body, inside);
      const first = inside + SparseHead.bytes;
      if (count > (body.length - first) / SparseArea.bytes) {
        throw new IommuError(
          "PEER",
          `sparse mmap capability of ${count} areas: the message has no room for them`,
          {
            count,
          },
        );
      }
      return Array.from({ length: count }, (_, i) => SparseArea.read(body, first + i * SparseArea.bytes));
    }
    at = next;
  }
  if (at === 0) return [];
  throw new IommuError("PEER", `more than ${MAX_CAPABILITIES} region capabilities`, { capOffset });
}

/** The sparse mmap capability with these areas, to follow a {@link RegionInfo}. */
export function sparseCapability(areas: readonly MappableArea[]): Uint8Array {
  const first = CapabilityHeader.bytes + SparseHead.bytes;
  const bytes = new Uint8Array(first + areas.length * SparseArea.bytes);
  CapabilityHeader.write({ id: SPARSE_MMAP, version: 1, next: 0 }, bytes, 0);
  SparseHead.write({ count: areas.length, reserved: 0 }, bytes, CapabilityHeader.bytes);
  areas.forEach((area, i) => {
    SparseArea.write(area, bytes, first + i * SparseArea.bytes);
  });
  return bytes;
}

/** Both ways; in a reply {@link IoFd} entries follow. */
export const RegionIoFds: Layout<{ argsz: "u32"; flags: "u32"; index: "u32"; count: "u32" }> = new Layout(
  "DEVICE_GET_REGION_IO_FDS",
  { argsz: "u32", flags: "u32", index: "u32", count: "u32" },
);

/** A file that takes writes to a part of a region. */
export const IoFd: Layout<{
  offset: "u64";
  size: "u64";
  fdIndex: "u32";
  type: "u32";
  flags: "u32";
  padding: "u32";
  datamatch: "u64";
}> = new Layout("ioeventfd", {
  offset: "u64",
  size: "u64",
  fdIndex: "u32",
  type: "u32",
  flags: "u32",
  padding: "u32",
  datamatch: "u64",
});

/** Both ways. */
export const IrqInfo: Layout<{ argsz: "u32"; flags: "u32"; index: "u32"; count: "u32" }> = new Layout(
  "DEVICE_GET_IRQ_INFO",
  { argsz: "u32", flags: "u32", index: "u32", count: "u32" },
);

/** Indexes of the kinds of interrupts. */
export const PciIrq = { INTX: 0, MSI: 1, MSIX: 2, ERR: 3, REQ: 4 } as const;

/**
 * Kinds of interrupts that a device raises.
 *
 * @public
 */
export const INTERRUPT_KINDS = ["intx", "msi", "msix"] as const;

/**
 * One of {@link INTERRUPT_KINDS}, whose places are their indexes.
 *
 * @public
 */
export type InterruptKind = (typeof INTERRUPT_KINDS)[number];

/** Request; a byte for each interrupt follows if the data are booleans. */
export const SetIrqs: Layout<{ argsz: "u32"; flags: "u32"; index: "u32"; start: "u32"; count: "u32" }> =
  new Layout("DEVICE_SET_IRQS", {
    argsz: "u32",
    flags: "u32",
    index: "u32",
    start: "u32",
    count: "u32",
  });

/** Flags of DEVICE_SET_IRQS: one kind of data and one action. */
export const IrqFlag = { NONE: 1, BOOL: 2, EVENTFD: 4, MASK: 8, UNMASK: 16, TRIGGER: 32 } as const;

/** REGION_READ and REGION_WRITE, both ways; data follow in a read's reply and a write's request. */
export const RegionAccess: Layout<{ offset: "u64"; region: "u32"; count: "u32" }> = new Layout(
  "region access",
  { offset: "u64", region: "u32", count: "u32" },
  {
    read: (bytes, at) => ({
      offset: u64At(bytes, at),
      region: u32At(bytes, at + 8),
      count: u32At(bytes, at + 12),
    }),
    write({ offset, region, count }, into, at) {
      putU64(into, at, offset);
      putU32(into, at + 8, region);
      putU32(into, at + 12, count);
    },
  },
);

/** REGION_WRITE_MULTI, both ways: how many writes; in a request {@link SmallWrite}s follow. */
export const WriteMulti: Layout<{ count: "u64" }> = new Layout("REGION_WRITE_MULTI", { count: "u64" });

/** One write of at most 8 bytes, which are in `data` from its lowest on. */
export const SmallWrite: Layout<{ offset: "u64"; region: "u32"; count: "u32"; data: "u64" }> = new Layout(
  "write of REGION_WRITE_MULTI",
  { offset: "u64", region: "u32", count: "u32", data: "u64" },
);

/** DMA_READ and DMA_WRITE, both ways; data follow in a read's reply and a write's request. */
export const DmaAccess: Layout<{ address: "u64"; count: "u64" }> = new Layout(
  "DMA access",
  { address: "u64", count: "u64" },
  {
    read: (bytes, at) => ({ address: u64At(bytes, at), count: u64At(bytes, at + 8) }),
    write({ address, count }, into, at) {
      putU64(into, at, address);
      putU64(into, at + 8, count);
    },
  },
);

/** DEVICE_FEATURE, both ways; the feature's data follow. */
export const DeviceFeature: Layout<{ argsz: "u32"; flags: "u32" }> = new Layout("DEVICE_FEATURE", {
  argsz: "u32",
  flags: "u32",
});

/** In the low half of the flags is the feature's number. */
export const FeatureFlag = { NUMBER: 0xffff, GET: 0x1_0000, SET: 0x2_0000, PROBE: 0x4_0000 } as const;

/** Numbers of features. */
export const Feature = {
  MIGRATION: 1,
  MIG_DEVICE_STATE: 2,
  DMA_LOGGING_START: 6,
  DMA_LOGGING_STOP: 7,
  DMA_LOGGING_REPORT: 8,
} as const;

/** Flags of MIGRATION. */
export const MigrationFlag = { STOP_COPY: 1, P2P: 2, PRE_COPY: 4 } as const;

/** Data of MIGRATION: what a device can. */
export const MigrationSupport: Layout<{ flags: "u64" }> = new Layout("MIGRATION", { flags: "u64" });

/** Data of MIG_DEVICE_STATE. */
export const MigrationStateData: Layout<{ state: "u32"; dataFd: "u32" }> = new Layout("MIG_DEVICE_STATE", {
  state: "u32",
  dataFd: "u32",
});

/** Data of DMA_LOGGING_START; {@link LoggedRange}s follow, none of which means all. */
export const LoggingStart: Layout<{ pageSize: "u64"; count: "u32"; reserved: "u32" }> = new Layout(
  "DMA_LOGGING_START",
  { pageSize: "u64", count: "u32", reserved: "u32" },
);
export const LoggedRange: Layout<{ address: "u64"; size: "u64" }> = new Layout("range of DMA_LOGGING_START", {
  address: "u64",
  size: "u64",
});

/** Data of DMA_LOGGING_REPORT; in a reply the bits follow, in words of 64. */
export const LoggingReport: Layout<{ address: "u64"; size: "u64"; pageSize: "u64" }> = new Layout(
  "DMA_LOGGING_REPORT",
  { address: "u64", size: "u64", pageSize: "u64" },
);

/** MIG_DATA_READ (data follow in the reply) and MIG_DATA_WRITE (they follow in the request). */
export const MigrationData: Layout<{ argsz: "u32"; size: "u32" }> = new Layout("migration data", {
  argsz: "u32",
  size: "u32",
});
