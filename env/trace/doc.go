// Package trace reads records of real failures into one neutral form that a
// cluster world replays. Start with [Open] and [System.Window].
//
// Four forms are read and told apart by their header:
//
//   - the LANL failure file of the USENIX Computer Failure Data Repository, as
//     it is (Schroeder and Gibson, "A large-scale study of failures in
//     high-performance computing systems", DSN 2006), see [ReadLANL];
//   - a plain file time,subject,event for failures of one's own, see [ReadCSV];
//   - the spot traces of SkyPilot, JSON, see [ReadSpot];
//   - the Cloud Uptime Archive's outages of services, see [ReadOutages].
//
// Damage to the structure of a file (a field too many, an open quote, a line
// cut short) is an error with line and column. A bad value in one record costs
// that record only: every record is used as read, repaired and used, or
// dropped, and a [Report] counts them by reason with the first few lines of
// each. A file of which more than half would be dropped is refused.
//
// # Clock
//
// Times are microseconds since [Trace.Epoch]. LANL's times are a local clock
// without a zone and are taken as if they were UTC. Clocks in New Mexico went
// forward an hour each April and back each October, so an outage across such a
// night is an hour too long or too short here, and the order of events within
// the hour that occurs twice is unknown. Records whose Down Time column gives
// this away are noted in the report; their times stay as written.
//
// # What it leaves out
//
// Only what was down, from when to when, and whether the data came back.
// Workload, partial outages and the software above the nodes are not in these
// files. The files themselves are not part of mend.
package trace
