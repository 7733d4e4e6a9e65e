import { Desk } from "../../src/workbench/desk/desk.ts";
import type { CallName, Calls, Message, Request } from "../../src/workbench/protocol.ts";

/** A desk, as the page has it; time goes on by itself, so that it gives way often. */
export class Table {
  readonly messages: Message[] = [];
  readonly #desk: Desk;
  onMessage: (message: Message) => void = () => {};
  #id = 0;
  #now = 0;

  constructor() {
    this.#desk = new Desk(
      (message) => {
        this.messages.push(message);
        this.onMessage(message);
      },
      () => {
        this.#now += 5;
        return this.#now;
      },
    );
  }

  async ask<Name extends CallName>(
    call: Name,
    ask: Calls[Name]["ask"],
    file = 1,
  ): Promise<Calls[Name]["answer"]> {
    const id = ++this.#id;
    await this.#desk.take({ call, id, file, ...ask } as Request);
    const answer = this.messages.find((message) => "id" in message && message.id === id)!;
    if (answer.what === "failed") throw new Error(answer.message);
    return (answer as Extract<Message, { what: "answer" }>).value as Calls[Name]["answer"];
  }

  async open(bytes: Uint8Array<ArrayBuffer> | string, name = "trace"): Promise<Calls["open"]["answer"]> {
    return await this.ask("open", { name, data: new Blob([bytes]) });
  }

  get findings(): Extract<Message, { what: "findings" }> {
    return this.messages.findLast((message) => message.what === "findings")!;
  }
}
