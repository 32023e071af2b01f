// Package train runs the loop: act, step, observe, update.
package train
