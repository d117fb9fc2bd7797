const http = require("http");
const ms = require("ms");

const server = http.createServer((request, response) => {
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.end(`Hello from Node.js ${process.version}, up for ${ms(Math.round(process.uptime() * 1000), { long: true })}\n`);
});
server.listen(process.env.PORT || 5000);

// Berth sends SIGTERM when the next version has taken over.
process.on("SIGTERM", () => server.close(() => process.exit(0)));
