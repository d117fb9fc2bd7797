// Package enginetest says as code what appliance.Engine promises, and has an
// engine for the tests of others that keeps the same promises.
package enginetest
