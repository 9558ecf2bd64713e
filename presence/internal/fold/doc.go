// Package fold decides what clients that take changes together are told, and when. It is pure: no
// clock, no lock, no goroutine.
//
// A Fold gathers the changes of a room, and makes one of those that follow each other in one member. A
// Pace says whether a change is told at once, or else for how long changes are gathered.
package fold
