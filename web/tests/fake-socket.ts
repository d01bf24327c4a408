import type { ChannelEvent } from '../src/transport/wire.ts';

/** The part of `WebSocket` that a connection to a channel uses, controlled by a test. */
export class FakeSocket {
  static readonly OPEN = 1;
  /** All sockets since the test began. */
  static all: FakeSocket[] = [];
  readyState = 0;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  readonly sent: string[] = [];

  constructor() {
    FakeSocket.all.push(this);
  }

  static get newest(): FakeSocket {
    return FakeSocket.all.at(-1) as FakeSocket;
  }

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {
    this.readyState = 3;
  }

  receive(event: Partial<ChannelEvent>): void {
    this.readyState = FakeSocket.OPEN;
    this.onmessage?.(new MessageEvent('message', { data: JSON.stringify(event) }));
  }
}
