import { Desk } from "../desk/desk.ts";
import { lentFile } from "../desk/lent-file.ts";
import type { Request } from "../protocol.ts";

/** What of a worker's global scope is used; the page's types are of a document. */
interface WorkerScope {
  onmessage: (event: MessageEvent<Request>) => void;
  postMessage(message: unknown, transfer: Transferable[]): void;
}

const scope = globalThis as unknown as WorkerScope;
const desk = new Desk(
  (message, transfer) => scope.postMessage(message, transfer),
  () => performance.now(),
  lentFile,
);

scope.onmessage = ({ data }) => {
  void desk.take(data);
};
