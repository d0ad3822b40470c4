/**
 * What the live sensor shows of a call: who asked whom for what, the outcome, sizes and times. No header, no body, no
 * query: nothing here needs masking.
 */
export interface CallLine {
  /** As in the record of the call: sensor, epoch, worker, sequence. */
  readonly id: string;
  /** First byte of the request, or of the response where there is none; ISO 8601 in UTC, with microseconds. */
  readonly time: string;
  readonly client: string;
  readonly clientPort: number;
  readonly server: string;
  readonly serverPort: number;
  /** "vxlan 5", "geneve 7 > vxlan 5" ...; left out when there is no tunnel. */
  readonly tunnel?: string;
  /** null: the request was not seen. */
  readonly method: string | null;
  readonly host: string | null;
  /** Without query and fragment. */
  readonly path: string | null;
  /** `/users/{int}` for `/users/7`; left out when it is the path itself. */
  readonly template?: string;
  /** null: the response was not seen. */
  readonly status: number | null;
  /** Bytes of the bodies on the wire. */
  readonly requestBytes: number | null;
  readonly responseBytes: number | null;
  /** From the last byte of the request to the first of the response. */
  readonly latencyUs?: number;
  readonly complete: boolean;
}
