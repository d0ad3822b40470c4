/** A stream whose DATA is frames of WebSocket. */
export interface SocketStream {
  /** Direction of the client in websocket/sockets.ts; 0: there were too many. */
  readonly socket: number;
  /** Sides that have ended, 1 the client, 2 the server. */
  ended: number;
}
