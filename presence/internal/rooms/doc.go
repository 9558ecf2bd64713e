// Package rooms is what a node shows of the rooms that it has open, and who hears it.
//
// A Room holds the node's replica. It takes the events of the bridge in order, loads the room
// again when one is missing, and hands what changed to listeners (sockets), subscribers (functions
// of the application) and waiters (joins that wait for their own event). Listeners that take several
// changes in one message are its audience. It answers joins and syncs with a snapshot, which those
// share who ask at the same time, or with a part of one.
//
// Sessions open rooms, through package owned, and so do subscriptions: a room is open as long
// as somebody refers to it. Which members are this node's a room does not know; package owned
// does, which the room tells of each event and load (Members). Room.Mu guards all that, so
// events, answers and what becomes of owned members have one order. Nothing blocks under it.
package rooms
