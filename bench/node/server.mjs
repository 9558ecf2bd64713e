// Presence on stock Socket.IO with members in memory: what a team would write
// itself, without Redis, fencing or recovery. It is here to be compared with.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { serveClient: false, transports: ["websocket", "polling"] });
const rooms = new Map(); // room id -> connection id -> member

io.on("connection", (socket) => {
  let member;

  const tell = (type, state) =>
    io.to(member.roomId).emit("presence:event", { ...member, type, state, ts: Date.now() });

  const leave = () => {
    if (!member) return;
    const room = rooms.get(member.roomId);
    room.delete(socket.id);
    if (room.size === 0) rooms.delete(member.roomId);
    socket.leave(member.roomId);
    tell("leave", null);
    member = undefined;
  };

  socket.on("presence:join", ({ roomId, userId, state = {} }, ack) => {
    member = { roomId, userId, connId: socket.id, state, epoch: 1 };
    if (!rooms.has(roomId)) rooms.set(roomId, new Map());
    rooms.get(roomId).set(socket.id, member);
    socket.join(roomId);
    ack?.({ ok: true, snapshot: [...rooms.get(roomId).values()], self: { connId: socket.id, epoch: 1 } });
    tell("join", state);
  });

  socket.on("presence:heartbeat", (payload, ack) => {
    if (!member) return ack?.({ ok: false, error: "Join a room first.", code: "not_joined" });
    if (payload?.patchState) {
      Object.assign(member.state, payload.patchState);
      tell("update", member.state);
    }
    ack?.({ ok: true, changed: payload?.patchState !== undefined, epoch: 1 });
  });

  socket.on("presence:leave", (_payload, ack) => {
    leave();
    ack?.({ ok: true });
  });

  socket.on("disconnect", leave);
});

http.listen(0, "127.0.0.1", () => console.log(`node: http://127.0.0.1:${http.address().port}`));
