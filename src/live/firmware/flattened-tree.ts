import { IommuError } from "../../base/errors.ts";

const MAGIC = 0xd00d_feed;
const BEGIN_NODE = 1;
const END_NODE = 2;
const PROPERTY = 3;
const END = 9;

/**
 * Finds a property in a flattened device tree, as a guest gets it at its start.
 *
 * @param path of the node, such as `/pci@800000020000000`
 * @returns the bytes of the property, or null if the node has none of that name
 * @throws IommuError BAD_FILE if the bytes are no device tree
 */
export function findTreeProperty(tree: Uint8Array, path: string, name: string): Uint8Array | null {
  const view = new DataView(tree.buffer, tree.byteOffset, tree.byteLength);
  if (tree.length < 40 || view.getUint32(0) !== MAGIC)
    throw new IommuError("BAD_FILE", "no flattened device tree");
  const strings = view.getUint32(12);
  const text = (at: number): string => {
    const end = tree.indexOf(0, at);
    return new TextDecoder("latin1").decode(tree.subarray(at, end < 0 ? tree.length : end));
  };
  const nodes: string[] = [];
  for (let at = view.getUint32(8); at + 4 <= tree.length; ) {
    const tag = view.getUint32(at);
    at += 4;
    if (tag === BEGIN_NODE) {
      const node = text(at);
      nodes.push(node);
      at += (node.length + 4) & ~3;
    } else if (tag === END_NODE) {
      nodes.pop();
    } else if (tag === PROPERTY) {
      const length = view.getUint32(at);
      const isIt = text(strings + view.getUint32(at + 4)) === name && `/${nodes.slice(1).join("/")}` === path;
      if (isIt) return tree.subarray(at + 8, at + 8 + length);
      at += 8 + ((length + 3) & ~3);
    } else if (tag === END) {
      break;
    }
  }
  return null;
}
