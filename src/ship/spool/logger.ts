/** What the spool tells operators. app/log.ts has it, and more. */
export interface SpoolLogger {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

const nothing = (): void => {};
export const silent: SpoolLogger = { info: nothing, warn: nothing, error: nothing };
