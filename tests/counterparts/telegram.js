// A Telegram Bot API that is not ours. Prints 'ready' once it listens. Arguments: the port.
const TelegramServer = require('telegram-test-api');

const server = new TelegramServer({ port: Number(process.argv[2]), host: '127.0.0.1', storeTimeout: 3600 });
server.start().then(() => console.log('ready'));
process.on('SIGTERM', async () => { await server.stop(); process.exit(0); });
