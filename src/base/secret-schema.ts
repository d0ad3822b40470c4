/** A reference to a secret in the configuration. What stands there is never printed: it could be a secret itself. */
import { z } from 'zod';
import type { Secret } from './settings.ts';

/** How a reference is written; by this title others know where in a schema one stands. */
export const SECRET_TITLE = '{ file: PATH } or { environment: NAME }';
const SECRET_WANTED =
  'wanted: where the secret is, never the secret itself: { file: /run/secrets/NAME } or { environment: NAME_OF_A_VARIABLE }';
export const secret: z.ZodType<Secret> = z
  .union(
    [
      z.strictObject({
        file: z
          .string()
          .min(1)
          .max(4096)
          .refine((given) => !given.includes('\0'))
          .meta({ title: 'path of the file that holds it' }),
      }),
      z.strictObject({
        environment: z
          .string()
          .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/)
          .meta({ title: 'name of the environment variable that holds it' }),
      }),
    ],
    { error: SECRET_WANTED },
  )
  .meta({ title: SECRET_TITLE });
