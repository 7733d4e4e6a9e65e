import { hex } from "../../base/u64.ts";
import { Machine } from "../../spapr/machine.ts";
import type { MachineConfig } from "../../spapr/machine-config.ts";
import { buidOf, MAX_PHB_INDEX, pciLiobn } from "../../spapr/papr.ts";
import { PHB_DEFAULTS, type PhbConfig } from "../../spapr/phb.ts";
import { findProfile, type Profile, recordedProfile } from "../../spapr/profile.ts";
import type { VioConfig } from "../../spapr/vio.ts";
import type { JsonLine } from "../json-lines.ts";
import { type Members, refuseUnknown } from "../members.ts";
import { list, show, text, u64, whole } from "./fields.ts";

/** Machine memory comes in blocks of 256 MiB (QEMU refuses others). */
const RAM_BLOCK = 0x1000_0000n;

/** The header of an op script. */
export const HEADER_MEMBERS: Members = {
  of: "the header",
  // `machine` is what the oracle starts its QEMU as.
  read: ["header", "qemu", "profile", "machine", "ramSize", "phbs", "vio", "vfioUser"],
  informative: ["title", "engine"],
};
/** A host bridge of the header; `buid` and `liobns` follow from `index` and are compared with it. */
export const PHB_MEMBERS: Members = {
  of: "a host bridge",
  read: ["index", "buid", "liobns", "ddw", "pgsz", "dmaWinAddr", "dmaWinSize", "dma64WinAddr"],
};
/** Its presence means that devices are plugged. */
export const VFIO_USER_MEMBERS: Members = {
  of: "vfioUser",
  read: [],
  informative: ["driver", "slot", "memory", "capabilities"],
};

/**
 * The machine that a header describes.
 *
 * @throws IommuError BAD_FILE with file, line, column and value of the first mistake
 */
export function parseHeader(line: JsonLine): MachineConfig {
  if (line.value.header !== 1)
    throw line.error("header", 'the first line must be a header: {"header":1,...}');
  refuseUnknown(line, line.value, HEADER_MEMBERS);
  const { vfioUser } = line.value;
  if (vfioUser !== undefined)
    refuseUnknown(line, objectOf(line, "vfioUser", vfioUser), VFIO_USER_MEMBERS, "vfioUser");
  for (const key of ["qemu", "machine", "title", "engine"])
    if (line.value[key] !== undefined) text(line, key);
  profileOf(line);
  const ramSize = line.value.ramSize === undefined ? RAM_BLOCK : u64(line, "ramSize");
  if (ramSize === 0n || ramSize % RAM_BLOCK !== 0n) {
    throw line.error("ramSize", `"ramSize" is ${hex(ramSize)}: memory comes in blocks of 256 MiB`);
  }
  const phbs = list(line, "phbs", 31, (value) => parsePhb(line, value));
  if (phbs.length > 0 && phbs[0]!.index !== 0)
    throw line.error("phbs", "the first host bridge always has index 0");
  const indexes = new Set(phbs.map((phb) => phb.index));
  if (indexes.size < phbs.length) throw line.error("phbs", "two host bridges have the same index");
  const vio = list(line, "vio", 64, (value) => parseVio(line, value));
  const config = { ramSize, phbs: phbs.length > 0 ? phbs : [{ index: 0 }], vio };
  try {
    // What else makes no machine, a machine says itself.
    new Machine(config);
  } catch (cause) {
    throw line.error("header", (cause as Error).message);
  }
  return config;
}

/**
 * The profile under which a script runs: the one that made its results, or that of the QEMU that was recorded.
 *
 * @throws IommuError BAD_FILE if there is no such profile
 */
export function profileOf(line: JsonLine): Profile {
  if (line.value.profile === undefined) return recordedProfile(line.value.qemu);
  try {
    return findProfile(text(line, "profile"));
  } catch (cause) {
    throw line.error("profile", (cause as Error).message);
  }
}

function objectOf(line: JsonLine, key: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw line.error(key, `"${key}" is ${show(value)}: expected an object`);
}

function parsePhb(line: JsonLine, value: unknown): PhbConfig {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw line.error("phbs", "a host bridge must be an object");
  const phb = value as Record<string, unknown>;
  refuseUnknown(line, phb, PHB_MEMBERS, "phbs");
  if (phb.index === undefined) throw line.error("phbs", 'a host bridge must have an "index"');
  const field = (key: string): { [key: string]: bigint } | undefined =>
    phb[key] === undefined ? undefined : { [key]: u64(line, "phbs", phb[key], key) };
  const index = whole(line, "phbs", 0, MAX_PHB_INDEX, { value: phb.index, name: "index" });
  const { ddw } = phb;
  if (ddw !== undefined && typeof ddw !== "boolean")
    throw line.error("phbs", `"ddw" is ${show(ddw)}: expected true or false`);
  if (phb.buid !== undefined && u64(line, "phbs", phb.buid, "buid") !== buidOf(index)) {
    throw line.error(
      "phbs",
      `"buid" of bridge ${index} is ${show(phb.buid)}: it is always ${hex(buidOf(index))}`,
    );
  }
  const liobns = JSON.stringify([hex(pciLiobn(index, 0)), hex(pciLiobn(index, 1))]);
  if (phb.liobns !== undefined && JSON.stringify(phb.liobns) !== liobns) {
    throw line.error(
      "phbs",
      `"liobns" of bridge ${index} are ${show(phb.liobns)}: they are always ${liobns}`,
    );
  }
  return {
    index,
    ...(ddw === undefined ? {} : { ddw }),
    ...field("pgsz"),
    ...field("dmaWinAddr"),
    ...field("dmaWinSize"),
    ...field("dma64WinAddr"),
  };
}

/** `spapr-vlan,reg=0x71000003`, as QEMU's -device takes it. */
function parseVio(line: JsonLine, value: unknown): VioConfig {
  const match = /^([a-z0-9-]+)(?:,reg=(0x[0-9a-fA-F]{1,8}))?$/.exec(typeof value === "string" ? value : "");
  if (match === null) {
    throw line.error(
      "vio",
      `VIO device ${show(value)}: expected a string such as "spapr-vlan,reg=0x71000003"`,
    );
  }
  return match[2] === undefined ? { type: match[1]! } : { type: match[1]!, reg: Number(match[2]) };
}

/**
 * The header of a script with every default filled in, as recordings have it.
 *
 * @param line the header as it was read, and `config` the machine it describes
 * @param engine who the results are from
 */
export function completeHeader(
  line: JsonLine,
  config: MachineConfig,
  engine: string,
  profile: Profile,
): Record<string, unknown> {
  const { header, qemu, engine: _engine, profile: _profile, ...rest } = line.value;
  const phbs = (config.phbs ?? []).map((phb) => ({
    index: phb.index,
    buid: hex(buidOf(phb.index)),
    liobns: [hex(pciLiobn(phb.index, 0)), hex(pciLiobn(phb.index, 1))],
    ddw: phb.ddw ?? PHB_DEFAULTS.ddw,
    pgsz: hex(phb.pgsz ?? profile.defaultPageSizes),
    dmaWinAddr: hex(phb.dmaWinAddr ?? PHB_DEFAULTS.dmaWinAddr),
    dmaWinSize: hex(phb.dmaWinSize ?? PHB_DEFAULTS.dmaWinSize),
    dma64WinAddr: hex(phb.dma64WinAddr ?? PHB_DEFAULTS.dma64WinAddr),
  }));
  return {
    header,
    engine,
    profile: profile.name,
    ...rest,
    ramSize: hex(config.ramSize ?? RAM_BLOCK),
    phbs,
  };
}
