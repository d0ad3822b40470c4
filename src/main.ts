/**
 * argv -> command. Exit codes: 0 done (also when a capture was damaged: what could be read was), 2 the input, the
 * options or the configuration cannot be used, 3 the output cannot be written, 70 a fault of Earshot itself.
 */
import { enableCompileCache } from 'node:module';

enableCompileCache();
const { runCommand } = await import('./app/commands.ts');
process.exitCode = await runCommand(process.argv.slice(2));
