export { post, route, startFixture, type FixtureOptions, type RunningGateway } from './fixture.ts'
