/** What a file may be that describes a machine. */
export const MACHINE_FILE =
  "YAML or JSON (schema/machine.schema.json), a command line of QEMU's, /proc/PID/cmdline, libvirt's log or XML of a domain, an image of virsh save (its XML), the header of an op script, or the JSON beside a recorded boot";
