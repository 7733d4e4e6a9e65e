import { type Answer, isErrno } from "../../base/errno.ts";
import { hex } from "../../base/u64.ts";
import { rawIoctl } from "../../vfio/host/raw-ioctl.ts";
import type { SpaprInfo } from "../../vfio/host/requests.ts";
import type { SpaprIommu } from "../../vfio/host/spapr-iommu.ts";
import { VfioContainer } from "../../vfio/host/vfio-container.ts";
import type { Operations } from "./operation.ts";
import { slotOf } from "./program.ts";

/** What the recorder fills GET_INFO's structure with beforehand. */
const UNTOUCHED_64 = 0xeeee_eeee_eeee_eeeen;
const UNTOUCHED_32 = 0xeeee_eeeen;

const u32 = (value: bigint): number => Number(BigInt.asUintN(32, value));

/** Operations on containers, groups and devices. */
export const VFIO_OPERATIONS: Operations = {
  open_container: ({ program, arg }) => {
    program.open(program.containers, arg("c"), VfioContainer.open(program.host));
    return 0;
  },
  close_container: ({ program, arg }) => program.close(program.containers, arg("c")),
  open_group: ({ program, arg }) => {
    const group = program.host.groups[Number(arg("g"))];
    if (group === undefined) return "ENOENT";
    const file = group.open();
    if (isErrno(file)) return file;
    program.open(program.groups, arg("g"), file);
    return 0;
  },
  close_group: ({ program, arg }) => program.close(program.groups, arg("g")),
  group_status: ({ program, arg, out }) => {
    const file = program.groupFile(arg("g"));
    if (file === undefined) return "EBADF";
    const flags = file.object.status(u32(arg("argsz")));
    if (isErrno(flags)) return flags;
    out.flags = hex(flags);
    return 0;
  },
  set_container: ({ program, arg }) => {
    const file = program.groupFile(arg("g"));
    const container = program.container(arg("c"));
    return file === undefined || container === undefined ? "EBADF" : file.object.setContainer(container);
  },
  unset_container: ({ program, arg }) => program.groupFile(arg("g"))?.object.unsetContainer() ?? "EBADF",
  api_version: ({ program, arg }) => (program.container(arg("c")) === undefined ? "EBADF" : 0),
  check_extension: ({ program, arg }) => program.container(arg("c"))?.checkExtension(arg("ext")) ?? "EBADF",
  set_iommu: ({ program, arg }) => program.container(arg("c"))?.setIommu(arg("type")) ?? "EBADF",
  raw: ({ program, arg }) => {
    const container = program.container(arg("c"));
    if (container === undefined) return "EBADF";
    return rawIoctl(container, program.process, BigInt.asUintN(32, arg("cmd")));
  },
  open_device: ({ program, arg }) => {
    const slot = slotOf(arg("g"));
    const file = program.groupFile(arg("g"));
    if (file === undefined) return "EBADF";
    if (program.host.devices[slot] === undefined) return "ENODEV";
    const device = file.object.openDevice();
    if (isErrno(device)) return device;
    program.devices[slot] = { descriptor: program.process.install(device), mapped: true };
    return 0;
  },
  close_device: ({ program, arg }) => {
    const slot = program.devices[slotOf(arg("g"))]!;
    const closed = program.process.close(slot.descriptor);
    slot.descriptor = -1;
    slot.mapped = false;
    return closed ? 0 : "EBADF";
  },
  dma_read: (call) => withDevice(call, (device) => device.dma(call.arg("iova"), call.arg("len"), false)),
  dma_write: (call) => withDevice(call, (device) => device.dma(call.arg("iova"), call.arg("len"), true)),
  device_reg: (call) =>
    withDevice(call, (device) => {
      call.out.val = hex(device.register(call.arg("reg")));
      return 0;
    }),

  enable: (call) => withIommu(call, (iommu) => iommu.enable(call.program.process)),
  disable: (call) => withIommu(call, (iommu) => iommu.disable(call.program.process)),
  get_info: (call) =>
    withIommu(call, (iommu) => {
      const request = call.has("null") ? undefined : { argsz: u32(call.arg("argsz")) };
      const info = iommu.getInfo(call.program.process, request);
      if (isErrno(info)) return info;
      Object.assign(call.out, infoFields(info));
      return 0;
    }),
  register: (call) =>
    withIommu(call, (iommu) => iommu.registerMemory(call.program.process, memoryRequest(call))),
  unregister: (call) =>
    withIommu(call, (iommu) => iommu.unregisterMemory(call.program.process, memoryRequest(call))),
  create: (call) =>
    withIommu(call, (iommu) => {
      const start = iommu.createWindow(call.program.process, {
        ...header(call),
        pageShift: u32(call.arg("shift")),
        size: call.arg("size"),
        levels: u32(call.arg("levels")),
      });
      if (isErrno(start)) return start;
      call.out.start = hex(start);
      return 0;
    }),
  remove: (call) =>
    withIommu(call, (iommu) =>
      iommu.removeWindow(call.program.process, { ...header(call), start: call.arg("start") }),
    ),
  map: (call) =>
    withIommu(call, (iommu) =>
      iommu.map(call.program.process, {
        ...header(call),
        vaddr: call.arg("vaddr"),
        iova: call.arg("iova"),
        size: call.arg("size"),
      }),
    ),
  unmap: (call) =>
    withIommu(call, (iommu) => {
      const size = call.arg("size");
      const answer = iommu.unmap(call.program.process, { ...header(call), iova: call.arg("iova"), size });
      if (answer === 0) call.out.size = hex(size);
      return answer;
    }),
  eeh: (call) =>
    withIommu(call, (iommu) => iommu.eeh(call.program.process, { ...header(call), op: u32(call.arg("op")) })),
};

type Call = Parameters<Operations[string]>[0];

const header = ({ arg }: Call): { argsz: number; flags: number } => ({
  argsz: u32(arg("argsz")),
  flags: u32(arg("flags")),
});

const memoryRequest = (call: Call): { argsz: number; flags: number; vaddr: bigint; size: bigint } => ({
  ...header(call),
  vaddr: call.arg("vaddr"),
  size: call.arg("size"),
});

/** A container without a driver answers EINVAL to whatever it does not know itself. */
function withIommu({ program, arg }: Call, run: (iommu: SpaprIommu) => Answer<number>): Answer<number> {
  const container = program.container(arg("c"));
  if (container === undefined) return "EBADF";
  return container.iommu === null ? "EINVAL" : run(container.iommu);
}

function withDevice(
  { program, arg }: Call,
  run: (device: Call["program"]["host"]["devices"][number]) => Answer<number>,
): Answer<number> {
  const slot = slotOf(arg("g"));
  const device = program.host.devices[slot];
  return device === undefined || !program.devices[slot]!.mapped ? "ENODEV" : run(device);
}

const infoFields = ({
  flags,
  dma32WindowStart,
  dma32WindowSize,
  ddw,
}: SpaprInfo): Record<string, string> => ({
  flags: hex(flags),
  dma32_window_start: hex(dma32WindowStart),
  dma32_window_size: hex(dma32WindowSize),
  pgsizes: hex(ddw?.pageSizes ?? UNTOUCHED_64),
  max_dynamic_windows_supported: hex(ddw?.maxDynamicWindows ?? UNTOUCHED_32),
  levels: hex(ddw?.levels ?? UNTOUCHED_32),
});
